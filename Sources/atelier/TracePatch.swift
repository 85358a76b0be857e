import ArgumentParser
import Interpretability
import TextModels

/// Two prompts, and what they should be followed by.
struct ContrastOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "The clean prompt.")
    var prompt: String
    @Option(help: "The corrupted prompt, of as many tokens.")
    var corrupted: String
    @Option(help: "What should follow the clean prompt (default: what the model says).")
    var answer: String?
    @Option(help: "What should follow the corrupted prompt (default: what the model says).")
    var otherAnswer: String?
    @Option(help: "What is patched: resid_post, attn.out, mlp.out or another site of a token; or heads.")
    var site = "resid_post"
    @Option(help: "Layers, as 0,4,8-11 (default: all).")
    var layers: NumberList?

    func pair(_ model: TextModelOptions) throws -> (model: TracedTextModel, pair: ContrastPair) {
        let text = try model.load()
        let traced = try TracedTextModel(text)
        let pair = try ContrastPair(
            traced, clean: PromptInput(text: prompt), corrupted: PromptInput(text: corrupted),
            answer: answer.map(text.answerToken), other: otherAnswer.map(text.answerToken))
        return (traced, pair)
    }
}

/// `atelier trace patch`: which activations bring the clean answer back.
struct TracePatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "patch", abstract: "Put activations of one prompt into another, one at a time.")

    @OptionGroup var model: TextModelOptions
    @OptionGroup var contrast: ContrastOptions
    @OptionGroup var result: TraceOutput

    func run() async throws {
        try result.check()
        let (traced, pair) = try contrast.pair(model)
        let layers = contrast.layers?.numbers
        try result.give(
            contrast.site == "heads"
                ? ActivationPatching.heads(traced, pair, layers: layers)
                : ActivationPatching.tokens(traced, pair, site: contrast.site, layers: layers))
    }
}
