import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// The small layers beside their formulas.
@Suite struct LayerTests {
    private let index = SiteIndex()

    private func weights(_ values: [String: Tensor]) -> ScopedWeights {
        ScopedWeights(DictionarySource(values), root: "part", sites: index)
    }

    private let map = sin(Tensor.indices(2 * 6 * 5 * 4).converted(to: .float32) * 0.3).reshaped([2, 6, 5, 4])

    /// A norm that is looked at runs apart from its activation, and gives the same.
    @Test func groupNormWithActivation() throws {
        let norm = try GroupNorm(
            6, groups: 3,
            weights(["weight": tensor([1, 2, 3, 4, 5, 6]), "bias": tensor([0, 1, 0, 1, 0, -1])]))
        let recorder = SiteRecorder(index)
        let fused = norm(map, then: .silu, Pass())
        let apart = norm(map, then: .silu, Pass(plan: recorder.plan()))
        #expect(maximumDifference(fused, apart) < 1e-5)
        let plain = norm(map, Pass())
        #expect(isBitEqual(try #require(recorder["part"]), plain))
        #expect(maximumDifference(apart, silu(plain)) < 1e-6)
        let unit =
            (plain - tensor([0, 1, 0, 1, 0, -1], [6, 1, 1]))
            / tensor([1, 2, 3, 4, 5, 6], [6, 1, 1])
        let groups = unit.reshaped([2, 3, 40])
        #expect(maximumDifference(mean(square(groups), axes: [2]), Tensor.ones([2, 3])) < 1e-3)
    }

    @Test func layerAndRMSNorm() throws {
        let x = tensor([1, 2, 3, 6], [1, 4])
        let layer = try LayerNorm(4, epsilon: 0, weights(["weight": .ones([4]), "bias": .full(1, shape: [4])]))
        let deviation = Float(3.5).squareRoot()
        #expect(
            maximumDifference(layer(x, Pass()), (x - 3) / Double(deviation) + 1) < 1e-5)
        let rms = try RMSNorm(4, epsilon: 0, weights(["weight": .full(2, shape: [4])]))
        #expect(maximumDifference(rms(x, Pass()), x * (2 / 12.5.squareRoot())) < 1e-5)
    }

    /// The offset is added in 32 bits, whatever the weights are stored as.
    @Test(arguments: [DType.bfloat16, .float16]) func rmsNormWithAnOffset(_ dtype: DType) throws {
        let x = tensor([1, -2, 3, 6], [1, 4])
        let weight = tensor([0.01, -0.013, 0.0007, 0.3]).converted(to: dtype)
        let stored = try RMSNorm(4, offset: 1, weights(["weight": weight]))
        let widened = try RMSNorm(4, offset: 1, weights(["weight": weight.converted(to: .float32)]))
        #expect(isBitEqual(stored(x, Pass()), widened(x, Pass())))
    }

    @Test func embeddingWidensItsRows() throws {
        let table = tensor([1, 2, 3, 4, 5, 6], [3, 2]).converted(to: .float16)
        let layer = try Embedding(3, 2, weights(["weight": table]))
        let y = layer(Tensor([2, 0] as [Int64]), Pass())
        #expect(y.dtype == .float32)
        #expect(y.floats == [5, 6, 1, 2])
    }

    @Test func feedForward() throws {
        let source = InitializingSource(seed: 2)
        let layer = try FeedForward(4, ScopedWeights(source))
        #expect(source.tensors["net.0.proj.weight"]?.shape == [32, 4])
        #expect(source.tensors["net.2.weight"]?.shape == [4, 16])
        let x = map.reshaped([60, 4])
        let projected = linear(
            x, try #require(source.tensors["net.0.proj.weight"]), source.tensors["net.0.proj.bias"])
        let halves = projected.chunked(1, count: 2)
        let expected = linear(
            halves[0] * gelu(halves[1]), try #require(source.tensors["net.2.weight"]), source.tensors["net.2.bias"])
        #expect(maximumDifference(layer(x, Pass()), expected) < 1e-5)
    }

    /// torch's default initial values: uniform within `1 / sqrt(fanIn)`, norms ones and zeros.
    @Test func initialValues() throws {
        let source = InitializingSource(seed: 9)
        let weights = ScopedWeights(source)
        _ = try Linear(400, 50, weights.scope("linear"))
        _ = try Convolution(8, 16, kernel: 5, weights.scope("conv"))
        _ = try GroupNorm(8, groups: 2, weights.scope("norm"))
        for (name, bound) in [("linear.weight", 0.05), ("linear.bias", 0.05), ("conv.weight", 0.0707107)] {
            let values = try #require(source.tensors[name]).floats.map { Swift.abs($0) }
            let largest = try #require(values.max())
            #expect(Double(largest) <= bound + 1e-6 && Double(largest) > 0.9 * bound, "\(name)")
        }
        #expect(source.tensors["norm.weight"]?.floats == [Float](repeating: 1, count: 8))
        #expect(source.tensors["norm.bias"]?.floats == [Float](repeating: 0, count: 8))
    }

    @Test func activations() throws {
        let x = tensor([-1, 0.5])
        let expected: [(Activation, [Float])] = [
            (.silu, [-0.26894143, 0.31122968]), (.gelu, [-0.15865526, 0.34573123]),
            (.geluNew, [-0.15880796, 0.34571400]), (.quickGELU, [-0.15420423, 0.35038877]), (.relu, [0, 0.5]),
        ]
        for (activation, values) in expected {
            #expect(maximumDifference(activation(x), Tensor(values)) < 1e-6, "\(activation)")
        }
    }
}
