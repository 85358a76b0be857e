import Interpretability
import TensorCore
import TestSupport
import Testing

@Suite struct MambaKnockoutTests {
    static let tokens = [5, 9, 20, 31, 8, 17]

    /// With every earlier token cut, the states that the last token reads are what it wrote itself:
    ///
    ///     h[channel, state] = Δ[channel] u[channel] B[state]
    @Test func edges() throws {
        let model = try TinyModels.text("mamba")
        let result = try model.trace { t in
            let (clean, prompt) = (t.prompt(Self.tokens), t.prompt(Self.tokens))
            MambaKnockout.knockOut(t, prompt, clean, Array(0..<5), 1..<2, .edge, count: 6)
            for name in ["state", "dt", "u", "B"] { t.save(name, prompt["layers.1.mixer.\(name)", token: -1]) }
            t.save("logits", prompt["logits"])
            t.save("clean", clean["logits"])
        }
        let own = try (result.value("dt") * result.value("u")).unsqueezed(1) * result.value("B").unsqueezed(0)
        #expect(try maximumDifference(result.value("state"), own) < 1e-5)
        let (logits, clean) = (try result.value("logits"), try result.value("clean"))
        let early = { (x: Tensor) in x.narrowed(0, start: 0, count: 5) }
        #expect(maximumDifference(early(logits), early(clean)) < 1e-4)
        #expect(maximumDifference(logits, clean) > 1e-3)
    }

    /// Nothing flows from the tokens of the set to what the recurrence gives the last one.
    @Test func shadows() throws {
        let model = try TinyModels.text("mamba")
        let result = try model.trace { t in
            let (clean, prompt) = (t.prompt(Self.tokens), t.prompt(Self.tokens))
            let (site, free) = (prompt["layers.1.resid_pre"], clean["layers.1.resid_pre"])
            MambaKnockout.knockOut(t, prompt, clean, [1, 2], 1..<2, .shadow, count: 6)
            t.save("cut", t.gradient(of: prompt["layers.1.mixer.s", token: -1].sum(), at: site))
            t.save("free", t.gradient(of: clean["layers.1.mixer.s", token: -1].sum(), at: free))
            t.save("same", prompt["layers.1.mixer.s", tokens: 0..<5] - clean["layers.1.mixer.s", tokens: 0..<5])
        }
        let (cut, free) = (try result.value("cut"), try result.value("free"))
        for place in 0..<6 {
            #expect(l2Norm(free.selected(0, place)) > 0)
            #expect((l2Norm(cut.selected(0, place)) == 0) == [1, 2].contains(place), "\(place)")
        }
        #expect(try result.value("same").floats.allSatisfy { $0 == 0 })
    }

    @Test func grids() throws {
        let model = try TinyModels.text("mamba")
        for mode in MambaKnockout.Mode.allCases {
            var options = MambaKnockout.Options()
            (options.mode, options.window) = (mode, 1)
            options.baseline = [PromptInput(tokens: [3, 4, 6])]
            let grid = try MambaKnockout.changes(model, PromptInput(tokens: Self.tokens), subject: 1..<3, options)
            #expect(grid.rows == ["subject", "non-subject"])
            #expect(grid.values.allSatisfy { $0.count == 3 && $0.allSatisfy { abs($0) > 1e-6 } }, "\(mode)")
        }
        #expect(throws: TraceError.self) {
            try MambaKnockout.changes(TinyModels.text("llama"), PromptInput(tokens: Self.tokens), subject: 1..<3)
        }
    }
}
