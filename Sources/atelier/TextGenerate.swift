import ArgumentParser
import Foundation
import TextModels
import Tokenizers

/// `atelier text generate`: a prompt, continued.
struct TextGenerate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a text; tokens are printed as they come.")

    @OptionGroup var model: TextModelOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "The text to continue.")
    var prompt: String
    @OptionGroup(title: "Sampling") var sampling: SamplingArguments
    @Flag(help: "Print one JSON object at the end: the tokens, the text and the times.")
    var json = false

    func run() async throws {
        let options = try sampling.options()
        let text = try model.load()
        let prompt = text.tokens(of: prompt)
        if let most = text.model.maximumTokens, prompt.count >= most {
            throw UsageError(description: "--prompt: expected fewer than \(most) tokens, found \(prompt.count)")
        }
        Interrupt.watch()
        var stream = TokenStream(
            text.model, prompt: prompt, options: options, limit: sampling.maxTokens,
            endTokens: text.endTokenIDs)
        var words = StreamingText(text.tokenizer)
        var ids: [Int] = []
        let start = ContinuousClock.now
        var first: Duration?
        while let id = stream.next() {
            first = first ?? (ContinuousClock.now - start)
            ids.append(id)
            let piece = words.append(id)
            if !json { show(piece) }
            if Interrupt.isRequested { break }
        }
        if !json { show(words.finish() + "\n") }
        guard json else { return }
        let total = (ContinuousClock.now - start).seconds
        let record = GeneratedText(
            prompt: prompt, tokens: ids, text: text.tokenizer.decode(ids), ended: stream.endToken != nil,
            secondsToFirst: first?.seconds ?? total, seconds: total)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        print(String(decoding: try encoder.encode(record), as: UTF8.self))
    }
}

private struct GeneratedText: Encodable {
    let prompt: [Int]
    let tokens: [Int]
    let text: String
    /// Whether the model ended the text by itself.
    let ended: Bool
    let secondsToFirst: Double
    let seconds: Double
}
