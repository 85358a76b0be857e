import ArgumentParser
import Interpretability
import TextModels

/// `atelier trace knockout`: what the last token must see.
struct TraceKnockout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "knockout", abstract: "Cut edges of attention to the last token, in windows of layers.")

    @OptionGroup var model: TextModelOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "The prompt.")
    var prompt: String
    @Option(parsing: .unconditional, help: "The part of the prompt that is the subject.")
    var subject: String
    @Option(parsing: .unconditional, help: "The answer (default: what the model says).")
    var answer: String?
    @Option(parsing: .unconditional, help: "Layers that are cut at once.")
    var window = 5
    @Option(help: "Middle layers of the windows, as 0,4,8-11 (default: all).")
    var layers: NumberList?
    @Option(help: "For Mamba: shadow, edge or ablation (default: shadow).")
    var mode: String?
    @Option(
        parsing: .upToNextOption,
        help: "For Mamba: texts whose mean activation takes the place of what is cut (default: zero).")
    var meanOver: [String] = []
    @OptionGroup var result: TraceOutput

    func run() async throws {
        try result.check()
        guard (1...1000).contains(window) else {
            throw UsageError(description: "--window: expected 1 to 1000, found \(window)")
        }
        guard let chosen = MambaKnockout.Mode(rawValue: mode ?? "shadow") else {
            let known = MambaKnockout.Mode.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError(description: "--mode: expected one of \(known), found \(mode ?? "")")
        }
        let text = try model.load()
        let traced = try TracedTextModel(text)
        let (input, subject) = (PromptInput(text: prompt), try traced.tokens(of: subject, in: prompt))
        if text.configuration is MambaConfiguration {
            var options = MambaKnockout.Options()
            (options.mode, options.window, options.layers) = (chosen, window, layers?.numbers)
            options.baseline = meanOver.map { PromptInput(text: $0) }
            options.answer = try answer.map(text.answerToken)
            try result.give(MambaKnockout.changes(traced, input, subject: subject, options))
        } else {
            guard mode == nil, meanOver.isEmpty else {
                throw UsageError(
                    description: "--mode, --mean-over: expected a Mamba model, found one with attention")
            }
            try result.give(
                AttentionKnockout.changes(
                    traced, input, subject: subject, window: window, layers: layers?.numbers,
                    answer: answer.map(text.answerToken)))
        }
    }
}
