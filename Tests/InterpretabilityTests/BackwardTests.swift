import Foundation
import Interpretability
import TensorCore
import TestSupport
import Testing

/// Losses over several passes, and gradients that are changed on their way back.
@Suite struct BackwardTests {
    static let a = [5, 9, 20, 31, 8], b = [7, 2, 20, 11, 30]

    private func answer(_ prompt: TracedPrompt, _ token: Int) -> TracedValue {
        prompt["logits", token: -1].logSoftmax().at(token, axis: 0)
    }

    /// One prompt read before and after a set takes two passes; two prompts, one of them with the set, take one.
    @Test(arguments: TinyModels.families) func lossOverTwoPasses(_ family: String) throws {
        let model = try TinyModels.text(family)
        let found = try model.trace { t in
            let a = t.prompt(Self.a)
            let site = a["layers.0.resid_post"]
            let plain = answer(a, 3)
            a["layers.1.resid_post", token: 2] *= 0.5
            let loss = plain * 2 + answer(a, 6)
            t.save("slope", t.gradient(of: loss, at: site))
            t.save("loss", loss)
        }
        let wanted = try model.trace { t in
            let (a, c) = (t.prompt(Self.a), t.prompt(Self.a))
            let sites = [a["layers.0.resid_post"], c["layers.0.resid_post"]]
            c["layers.1.resid_post", token: 2] *= 0.5
            let loss = answer(a, 3) * 2 + answer(c, 6)
            t.save("slope", t.gradient(of: loss, at: sites[0]) + t.gradient(of: loss, at: sites[1]))
            t.save("loss", loss)
        }
        #expect((found.passes, wanted.passes) == (2, 1))
        #expect(try maximumDifference(found.value("loss"), wanted.value("loss")) < 1e-5)
        let (x, y) = (try found.value("slope"), try wanted.value("slope"))
        #expect(Double(maximumDifference(x, y)) < 1e-5 * max(1, Double(l2Norm(y))))
        #expect(l2Norm(y) > 0)
    }

    /// A late value that an early site takes in the next pass carries the loss of that pass back into the first one: the
    /// same as taking the second pass's gradient for a weight of the first one's values.
    @Test(arguments: ["llama", "mamba"]) func throughAnotherPass(_ family: String) throws {
        let model = try TinyModels.text(family)
        let found = try model.trace { t in
            let (a, b) = (t.prompt(Self.a), t.prompt(Self.b))
            let site = a["layers.0.resid_pre"]
            b["layers.0.resid_post"] = a["layers.2.resid_post"] * 0.5
            t.save("slope", t.gradient(of: answer(b, 6), at: site))
            t.save("both", t.gradient(of: answer(b, 6) + answer(a, 3), at: site))
        }
        #expect(found.passes == 2)
        let late = try model.trace { t in t.save("v", t.prompt(Self.a)["layers.2.resid_post"]) }.value("v")
        let second = try model.trace { t in
            let b = t.prompt(Self.b)
            b["layers.0.resid_post"] = t.constant(late) * 0.5
            t.save("slope", t.gradient(of: answer(b, 6), at: b["layers.0.resid_post"]))
        }.value("slope")
        let wanted = try model.trace { t in
            let a = t.prompt(Self.a)
            let (site, end) = (a["layers.0.resid_pre"], (a["layers.2.resid_post"] * t.constant(second * 0.5)).sum())
            t.save("slope", t.gradient(of: end, at: site))
            t.save("both", t.gradient(of: end + answer(a, 3), at: site))
        }
        for name in ["slope", "both"] {
            let (x, y) = (try found.value(name), try wanted.value(name))
            #expect(Double(maximumDifference(x, y)) < 1e-5 * max(1, Double(l2Norm(y))), "\(name)")
            #expect(l2Norm(y) > 1e-3)
        }
        #expect(!isBitEqual(try found.value("slope"), try found.value("both")))
    }

    /// The head's part of the gradient is taken away, halved, or left, and what lies before it follows.
    @Test(arguments: TinyModels.families.dropLast()) func edits(_ family: String) throws {
        let model = try TinyModels.text(family)
        func slopes(_ edit: (TracedPrompt) -> Void) throws -> (site: Tensor, before: Tensor) {
            let result = try model.trace { t in
                let (other, a) = (t.prompt(Self.b), t.prompt(Self.a))
                let (site, before) = (a["layers.1.attn.z"], a["layers.0.resid_post"])
                edit(a)
                let loss = answer(a, 3) + answer(other, 6)
                t.save("site", t.gradient(of: loss, at: site))
                t.save("before", t.gradient(of: loss, at: before))
            }
            return (try result.value("site"), try result.value("before"))
        }
        let plain = try slopes { _ in }
        let same = try slopes { $0.scaleGradient("layers.1.attn.z", head: 1, by: 1) }
        #expect(isBitEqual(plain.site, same.site) && isBitEqual(plain.before, same.before))
        let none = try slopes { $0.stopGradient("layers.1.attn.z", head: 1) }
        let half = try slopes { $0.scaleGradient("layers.1.attn.z", head: 1, by: 0.5) }
        #expect(isBitEqual(none.site.selected(1, 1).contiguous(), Tensor.zeros([5, 4].last(none.site))))
        #expect(isBitEqual(none.site.selected(1, 0).contiguous(), plain.site.selected(1, 0).contiguous()))
        #expect(isBitEqual(half.site.selected(1, 1).contiguous(), (plain.site.selected(1, 1) * 0.5).contiguous()))
        // Gradients are linear: half of the head's part is half way between all and none.
        #expect(!isBitEqual(none.before, plain.before))
        #expect(maximumDifference(half.before, (none.before + plain.before) * 0.5) < 1e-5)
        // A cut stream leaves nothing before it.
        let cut = try slopes { $0.stopGradient("layers.1.resid_pre") }
        #expect(isBitEqual(cut.before, Tensor.zeros([5, 16])))
    }

    /// Without attention's output only the direct path and the feed-forward parts are left: the gradient of a model
    /// whose attention is a constant.
    @Test func stoppedPartIsAConstant() throws {
        let model = try TinyModels.text("llama")
        let result = try model.trace { t in
            let (a, c) = (t.prompt(Self.a), t.prompt(Self.a))
            let (one, two) = (a["layers.1.resid_pre"], c["layers.1.resid_pre"])
            for layer in 1..<3 {
                a.stopGradient("layers.\(layer).attn.out")
                c["layers.\(layer).attn.out"] = t.prompt(Self.a)["layers.\(layer).attn.out"]
            }
            t.save("stopped", t.gradient(of: answer(a, 3), at: one))
            t.save("constant", t.gradient(of: answer(c, 3), at: two))
        }
        #expect(try maximumDifference(result.value("stopped"), result.value("constant")) < 1e-5)
        #expect(l2Norm(try result.value("stopped")) > 0)
    }

    /// A forward value, another gradient, and what arrives elsewhere in the place of a gradient; gradients that stand
    /// before the edit do not see it.
    @Test func replacements() throws {
        let model = try TinyModels.text("mamba")
        let result = try model.trace { t in
            let a = t.prompt(Self.a)
            let (site, late) = (a["layers.1.resid_post"], a["layers.2.resid_pre"])
            let (first, second) = (answer(a, 3), answer(a, 6))
            t.save("plain", t.gradient(of: first, at: site))
            t.save("other", t.gradient(of: second, at: site))
            a.setGradient("layers.1.resid_post", token: 2, to: a["layers.0.mixer.out", token: 1])
            a.setGradient("layers.1.resid_post", token: 1, to: t.gradient(of: second, at: site).at(1, axis: 0))
            a.setGradient(
                "layers.1.resid_post", token: 0, to: a.arrivingGradient("layers.2.resid_post", token: 0).tanh())
            t.save("value", a["layers.0.mixer.out", token: 1])
            t.save("edited", t.gradient(of: first, at: site))
            t.save("late", t.gradient(of: first, at: late))
            t.save("later", t.gradient(of: first, at: a["layers.2.resid_post"]))
        }
        let (plain, edited) = (try result.value("plain"), try result.value("edited"))
        func row(_ x: Tensor, _ index: Int) -> Tensor { x.selected(0, index).contiguous() }
        #expect(isBitEqual(row(edited, 2), try result.value("value")))
        #expect(maximumDifference(row(edited, 1), row(try result.value("other"), 1)) < 1e-6)
        #expect(maximumDifference(row(edited, 0), tanh(row(try result.value("later"), 0))) < 1e-6)
        for token in 3..<5 { #expect(isBitEqual(row(edited, token), row(plain, token))) }
        #expect(!isBitEqual(edited, plain))
        // What comes after the site is left alone.
        #expect(maximumDifference(try result.value("late"), plain) < 1e-6)
    }

    /// Rows do not see each other's edits, padded ones neither.
    @Test func eachPromptItsOwn() throws {
        let model = try TinyModels.text("gemma3")
        func slope(_ t: TraceBuilder, _ ids: [Int], _ factor: Double) -> TracedValue {
            let prompt = t.prompt(ids)
            let site = prompt["layers.0.resid_pre"]
            prompt.scaleGradient("layers.1.mlp.out", token: -1, by: factor)
            return t.gradient(of: answer(prompt, 3), at: site)
        }
        let kinds: [(ids: [Int], factor: Double)] = [(Self.a, 0), ([3, 4], 2), (Self.b, 1)]
        let together = try model.trace { t in
            for (index, kind) in kinds.enumerated() { t.save("\(index)", slope(t, kind.ids, kind.factor)) }
        }
        for (index, kind) in kinds.enumerated() {
            let alone = try model.trace { t in t.save("x", slope(t, kind.ids, kind.factor)) }
            #expect(try maximumDifference(together.value("\(index)"), alone.value("x")) < 1e-4)
        }
    }

    /// The same in a UNet, for one of two pictures.
    @Test func picture() throws {
        let model = try TinyModels.unet()
        func slopes(_ edit: (TracedPrompt) -> Void) throws -> [Tensor] {
            let result = try model.trace { t in
                let (a, b) = (t.prompt(TinyModels.latents(1)), t.prompt(TinyModels.latents(2)))
                let sites = [a["unet.conv_in"], b["unet.conv_in"], a["unet.down_blocks.0"]]
                edit(a)
                let loss = a["unet.conv_out"].square().sum() + b["unet.conv_out"].square().sum()
                for (index, site) in sites.enumerated() { t.save("\(index)", t.gradient(of: loss, at: site)) }
            }
            return try (0..<3).map { try result.value("\($0)") }
        }
        let heads = "unet.mid_block.attentions.0.transformer_blocks.0.attn2:heads"
        let (plain, same) = (try slopes { _ in }, try slopes { $0.scaleGradient(heads, head: 0, by: 1) })
        for (x, y) in zip(plain, same) { #expect(isBitEqual(x, y)) }
        let none = try slopes { $0.stopGradient(heads, head: 0) }
        #expect(!isBitEqual(none[0], plain[0]) && isBitEqual(none[1], plain[1]))
        let cut = try slopes { $0.stopGradient("unet.mid_block") }
        #expect(!isBitEqual(cut[2], plain[2]) && isBitEqual(cut[1], plain[1]) && l2Norm(cut[0]) > 0)
    }

    @Test func wrongEdits() throws {
        let model = try TinyModels.text("llama")
        func error(_ build: (TraceBuilder, TracedPrompt) throws -> Void) throws -> TraceError? {
            let graph = try InterventionGraph.written { t in
                let prompt = t.prompt(Self.a)
                try build(t, prompt)
                t.save("x", t.gradient(of: answer(prompt, 3), at: prompt["embed"]))
            }
            do {
                _ = try model.program(graph)
                return nil
            } catch let error as TraceError { return error }
        }
        let early = try error { _, p in
            p.setGradient("layers.2.resid_pre", to: p.arrivingGradient("layers.1.resid_pre"))
        }
        #expect(early?.kind == .order && early?.description.contains("later ones") == true)
        #expect(
            try error { _, p in p.setGradient("layers.1.resid_pre", to: p.arrivingGradient("layers.2.resid_pre")) }
                == nil)
        #expect(try error { t, p in t.save("y", p.arrivingGradient("embed")) }?.kind == .operation)
        #expect(try error { t, p in p["embed"] = p.arrivingGradient("embed") }?.kind == .order)
        #expect(
            try error { t, p in t.save("y", t.gradient(of: p.arrivingGradient("embed").sum(), at: p["embed"])) }?.kind
                == .order)
        #expect(
            try error { t, p in p.setGradient("layers.1.mlp.out", to: t.constant(Tensor.ones([4, 16]))) }?.kind
                == .shape)
        #expect(try error { t, p in p.stopGradient("layers.1.mlp.ouut") }?.advice?.contains("mlp.out") == true)
        #expect(try error { t, p in p.stopGradient("layers.1.attn.z", head: 9) }?.kind == .selection)
        // As JSON it is the same graph.
        let graph = InterventionGraph.written { t in
            let prompt = t.prompt(Self.a)
            prompt.scaleGradient("layers.1.attn.z", token: -1, head: 1, by: -2)
            t.save("x", t.gradient(of: answer(prompt, 3), at: prompt["embed"]))
        }
        let copy = try InterventionGraph(json: graph.json())
        #expect(copy == graph)
        #expect(isBitEqual(try model.run(copy).value("x"), try model.run(graph).value("x")))
    }
}

extension [Int] {
    /// The shape with the last size of a tensor.
    fileprivate func last(_ x: Tensor) -> [Int] { dropLast() + [x.size(-1)] }
}
