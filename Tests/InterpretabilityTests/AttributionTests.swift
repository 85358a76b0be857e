import Interpretability
import TensorCore
import TestSupport
import Testing

/// Attribution at sites with more axes than tokens and channels.
@Suite struct AttributionTests {
    static let clean = [5, 9, 20, 31, 8], corrupted = [7, 2, 20, 11, 30]
    static let (answer, other) = (3, 6)

    private func pair(_ model: TracedTextModel) throws -> ContrastPair {
        try ContrastPair(
            model, clean: PromptInput(tokens: Self.clean), corrupted: PromptInput(tokens: Self.corrupted),
            answer: Self.answer, other: Self.other)
    }

    /// One value a token: all else is summed, and what a mask hides in both prompts is no difference.
    @Test(arguments: [
        ("llama", "attn.z"), ("llama", "attn.q"), ("llama", "attn.k"), ("llama", "attn.pattern"),
        ("llama", "attn.scores"), ("gpt2", "attn.scores"), ("gemma2", "attn.pattern"), ("gpt2", "resid_mid"),
        ("mamba", "mixer.state"), ("mamba", "mixer.in"),
    ]) func oneValueAToken(_ family: String, _ site: String) throws {
        let model = try TinyModels.text(family)
        let pair = try pair(model)
        let grid = try AttributionPatching.tokens(model, pair, site: site)
        #expect(grid.columns.count == 5 && grid.values.count == model.layers)
        let result = try model.trace { t in
            let (clean, corrupted) = (t.prompt(Self.clean), t.prompt(Self.corrupted))
            let sites = (0..<model.layers).map { corrupted["layers.\($0).\(site)"] }
            let logits = corrupted["logits", token: -1]
            let loss = logits.at(Self.answer, axis: 0) - logits.at(Self.other, axis: 0)
            for (layer, value) in sites.enumerated() {
                t.save("a\(layer)", clean["layers.\(layer).\(site)"])
                t.save("b\(layer)", value)
                t.save("g\(layer)", t.gradient(of: loss, at: value))
            }
        }
        for layer in 0..<model.layers {
            let values = try ["a", "b", "g"].map { try result.value("\($0)\(layer)") }
            let tokenAxis = ["attn.scores", "attn.pattern"].contains(site) ? 1 : 0
            let stride = values[0].shape.dropFirst(tokenAxis + 1).reduce(1, *)
            var wanted = [Double](repeating: 0, count: 5)
            let (a, b, g) = (values[0].floats, values[1].floats, values[2].floats)
            for place in a.indices where a[place] != b[place] {
                wanted[place / stride % 5] += Double((a[place] - b[place]) * g[place])
            }
            let scale = 1 / (pair.cleanMetric - pair.corruptedMetric)
            let found = grid.values[layer]
            #expect(found.count == 5, "layer \(layer): \(found.count)")
            for (x, y) in zip(found, wanted) {
                #expect(abs(x - y * scale) < 1e-4 * max(1, abs(x)), "layer \(layer): \(x) and \(y * scale)")
            }
        }
    }

    /// What the heads of a token read and what attention makes of it are one matrix apart, so they have one score.
    @Test(arguments: ["llama", "gpt2"]) func headsAndTheirSum(_ family: String) throws {
        let model = try TinyModels.text(family)
        let pair = try pair(model)
        let heads = try AttributionPatching.tokens(model, pair, site: "attn.z")
        let sum = try AttributionPatching.tokens(model, pair, site: "attn.out")
        let byHead = try AttributionPatching.heads(model, pair)
        #expect(byHead.values.allSatisfy { $0.count == 4 })
        for layer in 0..<model.layers {
            for (x, y) in zip(heads.values[layer], sum.values[layer]) {
                #expect(abs(x - y) < 1e-4 * max(1, abs(y)), "layer \(layer): \(x) and \(y)")
            }
            let total = (heads.values[layer].reduce(0, +), byHead.values[layer].reduce(0, +))
            #expect(abs(total.0 - total.1) < 1e-4 * max(1, abs(total.0)))
        }
    }

    @Test func sitesWithoutTokens() throws {
        let model = try TinyModels.text("llama")
        #expect(throws: TraceError.self) { try AttributionPatching.tokens(model, pair(model), site: "attn.zz") }
        // Numbers of any size have a place in a table.
        let table = ScoreGrid(title: "", rows: ["a"], columns: ["b"], values: [[1e300]]).table
        #expect(table.contains("e+300"))
    }
}
