import Interpretability
import TensorCore
import TestSupport
import TextModels
import Testing

@Suite struct StepTests {
    static let prompts = [[5, 9, 20, 31, 8], [7, 2, 4]]

    /// Without interventions the tokens are the model's own, whatever the padding.
    @Test(arguments: TinyModels.families) func plain(_ family: String) throws {
        let model = try TinyModels.text(family)
        let result = try model.trace { t in
            t.steps = 6
            for (index, ids) in Self.prompts.enumerated() {
                t.save("\(index)", t.prompt(ids)["layers.1.resid_post", steps: .each])
            }
        }
        for (index, ids) in Self.prompts.enumerated() {
            #expect(result.tokens[index] == Array(TokenStream(model.model, prompt: ids, limit: 5)))
            #expect(
                result.values["\(index)"]?.map(\.shape) == [[ids.count, 16]] + Array(repeating: [1, 16], count: 5))
            let whole = try model.trace { t in
                t.save("x", t.prompt(ids + result.tokens[index])["layers.1.resid_post"])
            }.value("x")
            let steps = concatenated(try #require(result.values["\(index)"]), axis: 0)
            #expect(maximumDifference(whole, steps) < 1e-3)
        }
    }

    /// Tokens come out also where nothing is saved.
    @Test func tokensAlone() throws {
        let model = try TinyModels.text("llama")
        let result = try model.trace { t in
            t.steps = 4
            _ = t.prompt(Self.prompts[0])
        }
        #expect(result.tokens == [Array(TokenStream(model.model, prompt: Self.prompts[0], limit: 3))])
        #expect(try model.trace { t in _ = t.prompt(Self.prompts[0]) }.passes == 0)
    }

    /// What is done in a step changes that step and what follows, never what was before.
    @Test func laterSteps() throws {
        let model = try TinyModels.text("llama")
        func run(_ steps: StepSelection?) throws -> TraceResult {
            try model.trace { t in
                t.steps = 6
                let prompt = t.prompt(Self.prompts[0])
                if let steps {
                    let site = "layers.2.resid_post"
                    prompt[site, token: -1, steps: steps] = prompt[site, token: -1, steps: steps] * -3
                }
                t.save("logits", prompt["logits", token: -1, steps: .each])
            }
        }
        let (plain, third, each) = (try run(nil), try run(.only(3)), try run(.each))
        let names = (0..<6).map { step in
            [plain, third, each].map { $0.values["logits"]?[step] ?? Tensor.zeros([1]) }
        }
        for step in 0..<3 { #expect(isBitEqual(names[step][0], names[step][1])) }
        for step in 3..<6 where third.tokens[0].prefix(step) != plain.tokens[0].prefix(step) || step == 3 {
            #expect(!isBitEqual(names[step][0], names[step][1]))
        }
        #expect(!isBitEqual(names[0][0], names[0][2]))
        #expect(third.tokens[0].prefix(3) == plain.tokens[0].prefix(3))
    }

    /// What is read and written in each step is read from the run that the steps before have changed: the same as reading and
    /// writing in one step after the other.
    @Test(arguments: ["layers.2.resid_post", "layers.0.mlp.out"]) func eachStepAfterTheOther(_ site: String) throws {
        let model = try TinyModels.text("llama")
        func run(_ write: (TracedPrompt) -> Void) throws -> TraceResult {
            try model.trace { t in
                t.steps = 5
                let prompt = t.prompt(Self.prompts[0])
                write(prompt)
                t.save("logits", prompt["logits", token: -1, steps: .each])
            }
        }
        let each = try run { $0[site, token: -1, steps: .each] = $0[site, token: -1, steps: .each] * -3 }
        let apart = try run { prompt in
            for step in 0..<5 {
                prompt[site, token: -1, steps: .only(step)] = prompt[site, token: -1, steps: .only(step)] * -3
            }
        }
        let skipped = try run { $0["layers.2.resid_pre", steps: .each] = $0["layers.0.resid_post", steps: .each] }
        #expect(each.passes == 1 && apart.passes == 1 && skipped.passes == 1)
        #expect(each.tokens == apart.tokens)
        for step in 0..<5 {
            #expect(isBitEqual(try #require(each.values["logits"])[step], try #require(apart.values["logits"])[step]))
        }
        // An edit that stays does so in every step without saying so.
        let graph = InterventionGraph.written { t in
            t.steps = 5
            t.save("logits", t.prompt(Self.prompts[0])["logits", token: -1, steps: .each])
        }
        let edits = EditSet([.written { t in t.prompt([0]).skip(layer: 1) }])
        let stayed = try model.run(edits.applied(to: graph))
        #expect(stayed.tokens == skipped.tokens && stayed.passes == 1)
        #expect(isBitEqual(try #require(stayed.values["logits"])[4], try #require(skipped.values["logits"])[4]))
        let placed = EditSet([.written { t in t.prompt([0])["layers.1.mlp.out", token: 0] *= 2 }])
        #expect(throws: Never.self) { try model.run(placed.applied(to: graph)) }
    }

    /// A value of one step put into an earlier one takes a second run.
    @Test func laterIntoEarlier() throws {
        let model = try TinyModels.text("gpt2")
        let result = try model.trace { t in
            t.steps = 3
            let prompt = t.prompt(Self.prompts[0])
            let late = prompt["layers.0.resid_post", token: -1, steps: .only(2)]
            prompt["layers.0.resid_post", token: 0] = late
            t.save("late", late)
            t.save("now", prompt["layers.0.resid_post", token: 0])
        }
        #expect(result.passes == 2)
        #expect(isBitEqual(try result.value("late"), try result.value("now")))
    }

    /// Further steps have other shapes; what does not fit them is an error, whether it shows before the run or in it.
    @Test func shapesOfFurtherSteps() throws {
        let model = try TinyModels.text("gemma2")
        func error(_ build: (TraceBuilder, TracedPrompt) -> Void) -> TraceError? {
            do {
                _ = try model.trace { t in
                    t.steps = 4
                    build(t, t.prompt(Self.prompts[0]))
                }
            } catch { return error as? TraceError }
            return nil
        }
        #expect(error { t, p in t.save("x", p["embed", token: 2, steps: .each]) }?.place.contains("further") == true)
        // The window of the first layer is three tokens, so the fourth key is gone after the first step.
        #expect(error { t, p in t.save("x", p["layers.0.attn.pattern", key: 3, steps: .each]) }?.kind == .selection)
        #expect(error { t, p in p["embed", steps: .each] = t.constant(Tensor.ones([5, 16])) }?.kind == .shape)
        #expect(
            error { t, p in
                t.save("x", p["layers.1.attn.pattern", head: 0, steps: .each].matmul(t.constant(Tensor.ones([5, 2]))))
            }?.kind == .shape)
        #expect(error { t, p in t.save("x", p["layers.1.attn.pattern", key: 0, steps: .each].sum()) } == nil)
    }
}
