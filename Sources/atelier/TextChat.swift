import ArgumentParser
import Foundation
import TextModels
import Tokenizers

/// `atelier text chat`: a conversation, a line at a time.
struct TextChat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Talk with a model; a line is a turn, an empty input ends.")

    @OptionGroup var model: TextModelOptions
    @Option(parsing: .unconditional, help: "What the model is told before the conversation.")
    var system: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "One message, instead of reading lines.")
    var prompt: String?
    @OptionGroup(title: "Sampling") var sampling: SamplingArguments

    func run() async throws {
        let options = try sampling.options()
        let text = try model.load()
        guard let source = text.chatTemplate else {
            throw UsageError(description: "\(text.path): expected a chat template, found none; use text generate")
        }
        let template = try ChatTemplate(source)
        Interrupt.watch()
        var messages = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
        let isTerminal = isatty(STDIN_FILENO) == 1
        while true {
            if isTerminal && prompt == nil { show("> ") }
            guard let line = prompt ?? readLine(), !line.isEmpty else { return }
            messages.append(ChatMessage(role: "user", content: line))
            let answer = try reply(messages, template, text, options)
            messages.append(ChatMessage(role: "assistant", content: answer))
            if prompt != nil || Interrupt.isRequested { return }
        }
    }

    private func reply(
        _ messages: [ChatMessage], _ template: ChatTemplate, _ text: TextModel, _ options: SamplingOptions
    ) throws -> String {
        var names: [String: String] = [:]
        if let id = text.configuration.beginTokenID { names["bos_token"] = text.tokenizer.token(id) }
        if let id = text.configuration.endTokenIDs.first { names["eos_token"] = text.tokenizer.token(id) }
        let prompt = try template.render(messages, tokens: names)
        // The template writes the token that begins a text where the model wants one.
        let ids = text.tokenizer.encode(prompt, addsSpecials: false).map(\.id)
        guard !ids.isEmpty else {
            throw TokenizerError(
                path: text.path, expected: "a chat template that writes tokens", found: "none for this conversation")
        }
        if let most = text.model.maximumTokens, ids.count >= most {
            throw UsageError(description: "expected a conversation of fewer than \(most) tokens, found \(ids.count)")
        }
        var ends = text.endTokenIDs
        ends += ["<|im_end|>", "<|eot_id|>", "<end_of_turn>"].compactMap { text.tokenizer.id(of: $0) }
        var words = StreamingText(text.tokenizer)
        var answer = ""
        for id in TokenStream(text.model, prompt: ids, options: options, limit: sampling.maxTokens, endTokens: ends) {
            let piece = words.append(id)
            answer += piece
            show(piece)
            if Interrupt.isRequested { break }
        }
        let rest = words.finish()
        show(rest + "\n")
        return answer + rest
    }
}
