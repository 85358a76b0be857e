import ArgumentParser
import Foundation
import Interpretability
import Layers
import Measurement
import TensorCore
import TextModels

/// `atelier bench trace`: what looking into a language model costs beside a plain forward pass.
struct BenchTrace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Time traces of a language model beside its plain forward pass.")

    @OptionGroup var model: TextModelOptions
    @Option(parsing: .unconditional, help: "Tokens of the prompt.")
    var tokens = 64
    @Option(help: "Timed rounds; in each, all kinds take turns, and the medians count.")
    var repeats = 9

    func run() throws {
        guard (1...4096).contains(tokens), (1...1000).contains(repeats) else {
            throw UsageError(
                description: "--tokens, --repeats: expected 1 to 4096 and 1 to 1000, found \(tokens), \(repeats)")
        }
        let text = try model.load()
        let traced = try TracedTextModel(text)
        let ids = (0..<tokens).map { ($0 * 7919 + 13) % text.model.vocabularySize }
        func logits(_ t: TraceBuilder) -> TracedPrompt {
            let prompt = t.prompt(ids)
            t.save("logits", prompt["logits", token: -1])
            return prompt
        }
        let kinds: [(String, () throws -> Void)] = [
            (
                "plain",
                { ComputeThread.shared.run { _ = text.model(TokenBatch([ids]), after: nil, logits: .last, Pass()) } }
            ),
            ("one value saved", { _ = try traced.trace { t in _ = logits(t) } }),
            (
                "every residual saved",
                {
                    _ = try traced.trace { t in
                        let prompt = logits(t)
                        for layer in 0..<traced.layers { t.save("\(layer)", prompt["layers.\(layer).resid_post"]) }
                    }
                }
            ),
            (
                "the middle layer's residual alone",
                { _ = try traced.trace { t in t.save("x", t.prompt(ids)["layers.\(traced.layers / 2).resid_pre"]) } }
            ),
            (
                "every residual set",
                {
                    _ = try traced.trace { t in
                        let prompt = t.prompt(ids)
                        for layer in 0..<traced.layers { prompt["layers.\(layer).resid_post", token: 0] *= 1 }
                        t.save("logits", prompt["logits", token: -1])
                    }
                }
            ),
        ]
        var seconds = [[Double]](repeating: [], count: kinds.count)
        for round in 0...repeats {
            for (index, kind) in kinds.enumerated() {
                let start = ContinuousClock.now
                try kind.1()
                if round > 0 { seconds[index].append((ContinuousClock.now - start).seconds) }
            }
        }
        let medians = seconds.map { median($0) ?? 0 }
        print("\(tokens) tokens, \(ComputeThread.shared.threadCount) threads")
        for (kind, middle) in zip(kinds, medians) {
            print("\(kind.0): " + String(format: "%.1f ms, %+.1f %%", middle * 1000, 100 * (middle / medians[0] - 1)))
        }
    }
}
