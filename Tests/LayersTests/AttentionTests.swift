import Layers
import TensorCore
import TestSupport
import Testing
import Weights

@Suite struct AttentionTests {
    private let index = SiteIndex()

    private func attention(isCausal: Bool, isTrainable: Bool = false) throws -> Attention {
        let source = InitializingSource(seed: 5)
        let base = try Attention(12, heads: 3, hasBias: true, ScopedWeights(source))
        _ = base
        let values = isTrainable ? source.tensors.mapValues { $0.tracked() } : source.tensors
        let weights = ScopedWeights(DictionarySource(values), root: "attn", sites: index)
        func projection(_ name: String) throws -> Linear { try Linear(12, 12, weights.scope(name)) }
        return Attention(
            queries: try projection("to_q"), keys: try projection("to_k"), values: try projection("to_v"),
            output: try projection("to_out.0"), heads: 3, isCausal: isCausal, site: weights.site)
    }

    private let x = sin(Tensor.indices(2 * 7 * 12).converted(to: .float32) * 0.7).reshaped([2, 7, 12])

    /// Asking for probabilities takes the plain path, which gives the same result and the same gradients.
    @Test(arguments: [false, true]) func plainPathEqualsFused(_ isCausal: Bool) throws {
        let layer = try attention(isCausal: isCausal, isTrainable: true)
        let recorder = SiteRecorder(index)
        let fused = layer(x, Pass())
        let plain = layer(x, Pass(plan: recorder.plan(ports: [.pattern, .scores, .queries, .heads])))
        #expect(maximumDifference(fused, plain) < 1e-5)
        let (a, b) = (gradients(of: sum(square(fused))), gradients(of: sum(square(plain))))
        for leaf in layer.parameters {
            #expect(try relativeL2(#require(a[leaf]), #require(b[leaf])) < 1e-4 || l2Norm(#require(b[leaf])) < 1e-4)
        }
        let pattern = try #require(recorder["attn", .pattern])
        #expect(pattern.shape == [2, 3, 7, 7])
        #expect(maximumDifference(sum(pattern, axes: [3]), Tensor.ones([2, 3, 7])) < 1e-6)
        #expect(recorder["attn", .queries]?.shape == [2, 7, 3, 4])
        #expect(recorder["attn", .heads]?.shape == [2, 7, 3, 4])
        // The first query sees the first key alone.
        if isCausal { #expect(pattern.floats[0] == 1) }
        #expect(pattern.floats[1] == 0 || !isCausal)
    }

    @Test func probabilitiesExistOnRequestOnly() throws {
        let layer = try attention(isCausal: false)
        let recorder = SiteRecorder(index)
        _ = layer(x, Pass(plan: recorder.plan(ports: [.output, .queries])))
        #expect(recorder["attn", .pattern] == nil)
        #expect(recorder["attn", .keys] == nil)
        #expect(recorder["attn", .queries] != nil)
    }

    /// Replacing the pattern replaces what is read: with all attention on the first key, every query reads its value.
    @Test func patternCanBeReplaced() throws {
        let layer = try attention(isCausal: false)
        let site = try #require(index["attn"])
        let recorder = SiteRecorder(index)
        var plan = recorder.plan(ports: [.values, .heads])
        plan.add(
            .replace { pattern in
                let first = Tensor([1, 0, 0, 0, 0, 0, 0] as [Float])
                return pattern * 0 + first
            }, at: site, .pattern)
        _ = layer(x, Pass(plan: plan))
        let values = try #require(recorder["attn", .values])
        let read = try #require(recorder["attn", .heads])
        #expect(maximumDifference(read, values.narrowed(1, start: 0, count: 1).expanded(to: read.shape)) < 1e-6)
    }

    @Test func crossAttention() throws {
        let source = InitializingSource(seed: 6)
        let layer = try Attention(12, contextChannels: 5, heads: 2, ScopedWeights(source))
        #expect(source.tensors["to_k.weight"]?.shape == [12, 5])
        #expect(source.tensors["to_q.bias"] == nil)
        #expect(source.tensors["to_out.0.bias"]?.shape == [12])
        let context = Tensor.ones([2, 3, 5])
        #expect(layer(x, context: context, Pass()).shape == [2, 7, 12])
        #expect(layer.heads == 2)
    }
}
