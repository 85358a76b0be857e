import ArgumentParser
import Foundation
import Imaging
import Interpretability
import Layers
import TextModels

/// `atelier trace causal`: where a fact is, or where many are.
struct TraceCausal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "causal", abstract: "Where a fact is: spoil its subject, then restore one activation at a time.",
        discussion:
            "One fact by --prompt and --subject, or many by --facts, a JSON array of objects with prompt, subject and answer."
    )

    @OptionGroup var model: TextModelOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "The prompt of one fact.")
    var prompt: String?
    @Option(parsing: .unconditional, help: "The part of the prompt that is the subject.")
    var subject: String?
    @Option(parsing: .unconditional, help: "The answer (default: what the model says).")
    var answer: String?
    @Option(help: "Another subject of as many tokens, instead of noise.")
    var swap: String?
    @Option(help: "Instead of noise: mean or zero on the subject's embeddings, or a graph as JSON.")
    var corrupt: String?
    @Option(help: "A file of facts, whose effects are averaged; facts that the model does not know are left out.")
    var facts: String?
    @Option(help: "What is restored: residual, mlp or attention; for Mamba residual, mixer, conv, gate or ssm; or all.")
    var kind = "residual"
    @Option(help: "Hold one of the parts at corrupted values in the later layers of the restored token.")
    var sever: String?
    @Option(parsing: .unconditional, help: "Layers of a window, for parts of layers.")
    var window = 10
    @Option(help: "Layers, as 0,4,8-11 (default: all).")
    var layers: NumberList?
    @Option(parsing: .unconditional, help: "Draws of the noise.")
    var draws = 3
    @Option(parsing: .unconditional, help: "The noise's deviation, in deviations of the subjects' embeddings.")
    var noise = 3.0
    @Option(name: [.short, .long], parsing: .unconditional, help: "The seed of the noise.")
    var seed: UInt64 = 1
    @OptionGroup var result: TraceOutput

    /// A fact of a file.
    private struct Fact: Codable {
        var prompt: String
        var subject: String
        var answer: String?
    }

    func run() async throws {
        try result.check()
        let chosen = try chosenKinds()
        guard (1...100).contains(draws), noise > 0, noise.isFinite, (1...1000).contains(window) else {
            throw UsageError(
                description:
                    "--draws, --noise, --window: expected positive numbers, found \(draws), \(noise), \(window)")
        }
        if let sever, CausalTrace.Kind(rawValue: sever) ?? .residual == .residual {
            throw UsageError(description: "--sever: expected a part, \(Self.parts), found \(sever)")
        }
        guard swap == nil || corrupt == nil else {
            throw UsageError(description: "--corrupt: expected one way to spoil the subject, found --swap as well")
        }
        let facts = try readFacts()
        let text = try model.load()
        let traced = try TracedTextModel(text)
        let kinds = chosen ?? CausalTrace.Kind.known(to: traced)
        // One fact is traced with the answer that was asked for, likely or not.
        let known = try facts.filter { fact in
            guard self.facts != nil, let answer = fact.answer else { return true }
            let said = try traced.likeliestToken(PromptInput(text: fact.prompt))
            let isKnown = try said == text.answerToken(answer)
            if !isKnown { complain("left out: \(fact.prompt)\(traced.label(said)), not \(answer)") }
            return isKnown
        }
        guard !known.isEmpty else {
            throw UsageError(description: "--facts: expected facts that the model knows, found none")
        }
        let subjects = try known.map {
            try traced.tokens(PromptInput(text: $0.prompt))[traced.tokens(of: $0.subject, in: $0.prompt)]
        }
        let deviation = try noise * traced.embeddingDeviation(of: subjects.flatMap { $0 })
        Interrupt.watch()
        var progress = TerminalProgress()
        var reports: [any TraceReport] = []
        for kind in kinds {
            var traces: [CausalTrace] = []
            for (index, fact) in known.enumerated() {
                if Interrupt.isRequested { throw Interrupted() }
                traces.append(try trace(fact, kind, deviation, text, traced))
                progress.show(kind.rawValue, step: index + 1, total: known.count)
            }
            reports.append(traces.count == 1 ? traces[0] : try CausalSummary(traces))
        }
        try result.give(ReportList(reports))
    }

    private static var parts: String {
        CausalTrace.Kind.allCases.filter { $0 != .residual }.map(\.rawValue).joined(separator: ", ")
    }

    /// Nil for all that the model has.
    private func chosenKinds() throws -> [CausalTrace.Kind]? {
        if kind == "all" { return nil }
        guard let one = CausalTrace.Kind(rawValue: kind) else {
            throw UsageError(description: "--kind: expected residual, \(Self.parts) or all, found \(kind)")
        }
        return [one]
    }

    private func readFacts() throws -> [Fact] {
        if let facts {
            guard let data = FileManager.default.contents(atPath: facts) else {
                throw UsageError(description: "\(facts): expected a file of facts, found none that can be read")
            }
            do {
                return try JSONDecoder().decode([Fact].self, from: data)
            } catch let error as DecodingError {
                let flaw = ConfigurationError(path: facts, error, in: data)
                throw UsageError(description: "\(flaw) (facts are an array of objects with prompt and subject)")
            }
        }
        guard let prompt, let subject else {
            throw UsageError(description: "--prompt: expected --prompt and --subject, or --facts, found neither")
        }
        return [Fact(prompt: prompt, subject: subject, answer: answer)]
    }

    private func trace(
        _ fact: Fact, _ kind: CausalTrace.Kind, _ deviation: Double, _ text: TextModel, _ traced: TracedTextModel
    ) throws -> CausalTrace {
        var options = CausalTrace.Options()
        (options.kind, options.window, options.layers) = (kind, window, layers?.numbers)
        options.severed = sever.flatMap(CausalTrace.Kind.init)
        let subject = try traced.tokens(of: fact.subject, in: fact.prompt)
        var corruption = CausalTrace.Corruption.noise(deviation: deviation, draws: draws, seed: seed)
        if let corrupt, corrupt != "noise" { corruption = .other(try .named(corrupt, on: subject)) }
        if let swap {
            // As the subject stands in the prompt: with the space before it, if there is one.
            let place = fact.prompt.lastWords(fact.subject) ?? fact.prompt.endIndex..<fact.prompt.endIndex
            let changed = fact.prompt.replacingCharacters(in: place, with: swap)
            let places = try traced.tokens(of: swap, in: changed)
            corruption = .swap(tokens: Array(try traced.tokens(PromptInput(text: changed))[places]))
        }
        return try CausalTrace(
            traced, PromptInput(text: fact.prompt), subject: subject,
            corruption: corruption, answer: fact.answer.map(text.answerToken), options)
    }
}
