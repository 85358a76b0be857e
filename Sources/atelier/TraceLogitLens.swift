import ArgumentParser
import Interpretability

/// `atelier trace logit-lens`: what a model would say after each layer.
struct TraceLogitLens: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logit-lens", abstract: "What the model would say if it stopped after each layer.")

    @OptionGroup var model: TextModelOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "The text to read.")
    var prompt: String
    @Option(help: "Layers, as 0,4,8-11 (default: all).")
    var layers: NumberList?
    @Option(parsing: .unconditional, help: "Candidates at each place, in JSON.")
    var top = 3
    @OptionGroup var result: TraceOutput

    func run() async throws {
        try result.check()
        guard (1...100).contains(top) else { throw UsageError(description: "--top: expected 1 to 100, found \(top)") }
        let traced = try TracedTextModel(model.load())
        try result.give(LogitLens(traced, PromptInput(text: prompt), layers: layers?.numbers, top: top))
    }
}
