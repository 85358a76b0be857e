import Interpretability
import TensorCore
import TestSupport
import Testing

@Suite struct GradientTests {
    static let a = [5, 9, 20, 31, 8], b = [7, 2, 20, 11, 30]

    /// Gradients at a site are what small changes at that site do, through a patch into another prompt too.
    @Test(arguments: TinyModels.families) func finiteDifferences(_ family: String) throws {
        let model = try TinyModels.text(family)
        let direction = TorchGenerator(seed: 4)
        var random = direction
        let step = random.normal([5, 16])
        func loss(_ t: TraceBuilder, _ scale: Double) -> (TracedValue, TracedValue) {
            let (a, b) = (t.prompt(Self.a), t.prompt(Self.b))
            if scale != 0 { a["layers.1.resid_pre"] = a["layers.1.resid_pre"] + t.constant(step) * scale }
            let site = a["layers.1.resid_pre"]
            b["layers.1.resid_post", token: 2] = a["layers.1.resid_post", token: 2]
            return (b["logits", token: -1].logSoftmax().at(6, axis: 0) + a["logits", token: -1].at(3, axis: 0), site)
        }
        let slope = try model.trace { t in
            let (value, site) = loss(t, 0)
            t.save("slope", (t.gradient(of: value, at: site) * t.constant(step)).sum())
        }.value("slope").item
        let size = 2e-3
        let ends = try [size, -size].map { scale in
            try model.trace { t in t.save("loss", loss(t, scale).0) }.value("loss").item
        }
        let difference = (ends[0] - ends[1]) / Float(2 * size)
        #expect(abs(slope - difference) < 2e-2 * max(1, abs(difference)), "\(slope) and \(difference)")
    }

    /// A set cuts what is before it off; a gradient can be put into a later pass.
    @Test func replacedValuesHaveNone() throws {
        let model = try TinyModels.text("llama")
        let result = try model.trace { t in
            let a = t.prompt(Self.a), c = t.prompt(Self.a)
            let early = a["layers.0.resid_pre"]
            a["layers.1.resid_post"] = t.constant(Tensor.ones([5, 16]))
            t.save("none", t.gradient(of: a["logits", token: -1].sum(), at: early))
            let site = c["layers.0.resid_post"]
            let slope = t.gradient(of: c["logits", token: -1].sum(), at: site)
            c["layers.0.resid_post"] = site + slope * 0.1
            t.save("moved", c["layers.0.resid_post"] - site)
            t.save("slope", slope)
        }
        #expect(result.passes == 2)
        #expect(isBitEqual(try result.value("none"), Tensor.zeros([5, 16])))
        #expect(maximumDifference(try result.value("moved"), try result.value("slope") * 0.1) < 1e-5)
        #expect(l2Norm(try result.value("slope")) > 0)
    }

    /// Edges that are cut carry nothing back: not one bit of the last logits depends on the keys.
    @Test(arguments: ["gpt2", "gpt-neox", "llama", "gemma2", "gemma3"]) func knockedOutEdges(_ family: String) throws {
        let model = try TinyModels.text(family)
        let result = try model.trace { t in
            let (free, cut) = (t.prompt(Self.a), t.prompt(Self.a))
            let site = free["layers.0.resid_pre"], cutSite = cut["layers.0.resid_pre"]
            for layer in 0..<model.layers {
                for query in 2..<5 { cut.knockOut(layer: layer, from: query, to: 1..<2) }
                t.save("pattern \(layer)", cut["layers.\(layer).attn.pattern", key: 1])
                t.save("rows \(layer)", cut["layers.\(layer).attn.pattern"].sum([2]))
            }
            t.save("free", t.gradient(of: free["logits", token: -1].at(3, axis: 0), at: site))
            t.save("cut", t.gradient(of: cut["logits", token: -1].at(3, axis: 0), at: cutSite))
        }
        #expect(l2Norm(try result.value("free").selected(0, 1)) > 0)
        #expect(isBitEqual(try result.value("cut").selected(0, 1).contiguous(), Tensor.zeros([16])))
        #expect(l2Norm(try result.value("cut").selected(0, 0)) > 0)
        for layer in 0..<model.layers {
            let pattern = try result.value("pattern \(layer)")
            #expect(pattern.narrowed(1, start: 2, count: 3).floats.allSatisfy { $0 == 0 })
            #expect(
                maximumDifference(try result.value("rows \(layer)"), Tensor.ones([4, 5].prefixed(pattern.size(0))))
                    < 1e-5)
        }
    }
}

extension [Int] {
    /// The shape with another first size.
    func prefixed(_ first: Int) -> [Int] { [first] + dropFirst() }
}
