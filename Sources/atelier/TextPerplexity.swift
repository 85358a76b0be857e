import ArgumentParser
import Foundation
import TextModels
import Tokenizers

/// `atelier text perplexity`: how well a model foretells a text.
struct TextPerplexity: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity", abstract: "Measure how well a model foretells a text file.")

    @OptionGroup var model: TextModelOptions
    @Argument(help: "A text file, UTF-8.")
    var file: String
    @Option(parsing: .unconditional, help: "Tokens of a window; windows do not overlap.")
    var window = 512
    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        guard (2...1 << 20).contains(window) else {
            throw UsageError(description: "--window: expected 2 to \(1 << 20), found \(window)")
        }
        guard let data = FileManager.default.contents(atPath: file), let content = String(data: data, encoding: .utf8)
        else { throw UsageError(description: "\(file): expected a text file in UTF-8, found none that can be read") }
        let text = try model.load()
        let ids = text.tokenizer.encode(content, addsSpecials: false).map(\.id)
        Interrupt.watch()
        var progress = TerminalProgress()
        let result = Perplexity(of: ids, by: text.model, window: window, beginToken: text.configuration.beginTokenID) {
            progress.show("tokens", step: $0, total: ids.count)
            return !Interrupt.isRequested
        }
        if Interrupt.isRequested { throw Interrupted() }
        guard let result else {
            throw UsageError(description: "\(file): expected two tokens or more, found \(ids.count)")
        }
        if json {
            print(
                "{\"mean_log_loss\": \(result.meanLogLoss), \"perplexity\": \(result.perplexity), \"tokens\": \(result.tokens)}"
            )
        } else {
            print(
                String(
                    format: "perplexity %.4f, %.4f nats a token, %d tokens", result.perplexity, result.meanLogLoss,
                    result.tokens))
        }
    }
}
