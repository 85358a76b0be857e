import ArgumentParser
import Foundation
import Interpretability
import TextModels

/// A prompt, how it is spoilt, and what should follow.
struct ContrastOptions: ParsableArguments {
    @Option(name: [.short, .long], parsing: .unconditional, help: "The clean prompt.")
    var prompt: String
    @Option(parsing: .unconditional, help: "The corrupted prompt, of as many tokens.")
    var corrupted: String?
    @Option(help: "Instead of another prompt: noise, mean or zero on the subject, or a graph as JSON.")
    var corrupt: String?
    @Option(parsing: .unconditional, help: "The part of the prompt that noise, mean and zero spoil.")
    var subject: String?
    @Option(parsing: .unconditional, help: "The noise's deviation, in deviations of the subject's embeddings.")
    var noise = 3.0
    @Option(name: [.short, .long], parsing: .unconditional, help: "The seed of the noise.")
    var seed: UInt64 = 1
    @Option(parsing: .unconditional, help: "What should follow the clean prompt (default: what the model says).")
    var answer: String?
    @Option(parsing: .unconditional, help: "What should follow the corrupted prompt (default: what the model says).")
    var otherAnswer: String?
    @Option(help: "What is patched: resid_post, attn.out, mlp.out or another site of a token; or heads.")
    var site = "resid_post"
    @Option(help: "Layers, as 0,4,8-11 (default: all).")
    var layers: NumberList?

    func pair(_ model: TextModelOptions) throws -> (model: TracedTextModel, pair: ContrastPair) {
        let text = try model.load()
        let traced = try TracedTextModel(text)
        let pair = try ContrastPair(
            traced, clean: PromptInput(text: prompt), corruption(traced),
            answer: answer.map(text.answerToken), other: otherAnswer.map(text.answerToken))
        return (traced, pair)
    }

    private func corruption(_ traced: TracedTextModel) throws -> Corruption {
        guard (corrupted == nil) != (corrupt == nil) else {
            throw UsageError(
                description: "--corrupted: expected another prompt, or --corrupt with a way to spoil this one, found "
                    + (corrupt == nil ? "neither" : "both"))
        }
        if let corrupted { return .prompt(try traced.tokens(PromptInput(text: corrupted), "corrupted")) }
        let way = corrupt ?? ""
        if ["noise", "mean", "zero"].contains(way) {
            guard let subject else {
                throw UsageError(
                    description: "--subject: expected the part of the prompt that \(way) spoils, found none")
            }
            let tokens = try traced.tokens(of: subject, in: prompt)
            if way != "noise" { return try .named(way, on: tokens) }
            guard noise > 0, noise.isFinite else {
                throw UsageError(description: "--noise: expected a positive number, found \(noise)")
            }
            let ids = Array(try traced.tokens(PromptInput(text: prompt))[tokens])
            return .noise(tokens, deviation: try noise * traced.embeddingDeviation(of: ids), seed: seed)
        }
        return try .named(way, on: 0..<0)
    }
}

extension Corruption {
    /// A way to spoil some tokens of a prompt by its name, or by a file with a graph.
    static func named(_ way: String, on tokens: Range<Int>) throws -> Corruption {
        if way == "zero" { return .zero(tokens) }
        if way == "mean" { return .mean(tokens, over: []) }
        guard let data = FileManager.default.contents(atPath: way) else {
            throw UsageError(
                description: "--corrupt: expected noise, mean, zero or a file of JSON, found \"\(way)\"")
        }
        return .graph(try InterventionGraph(json: data))
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
