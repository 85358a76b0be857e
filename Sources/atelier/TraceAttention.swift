import ArgumentParser
import Interpretability

/// `atelier trace attention`: where heads look.
struct TraceAttention: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attention", abstract: "Where each head of attention looks.")

    @OptionGroup var model: TextModelOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "The text to read.")
    var prompt: String
    @Option(help: "Layers, as 0,4,8-11 (default: all).")
    var layers: NumberList?
    @Option(help: "Heads, as 0,2 (default: all).")
    var heads: NumberList?
    @OptionGroup var result: TraceOutput

    func run() async throws {
        try result.check()
        let traced = try TracedTextModel(model.load())
        try result.give(
            AttentionPatterns(traced, PromptInput(text: prompt), layers: layers?.numbers, heads: heads?.numbers))
    }
}
