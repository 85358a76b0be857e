import TestSupport
import Testing

@testable import TensorCore

/// A token through all layers of a gated decoder in one kernel: the bits of the operations one by one.
@Suite struct DecoderLayersTests {
    /// heads, key heads, dimension of a head, pairs that turn; widths that fill no register where rows are not packed.
    struct Shape: Sendable, CustomStringConvertible {
        var heads = 6
        var keyHeads = 2
        var headDimension = 32
        var pairs = 16
        var width = 192
        var inner = 320
        var types = [DType.float32]

        var description: String { "\(heads)/\(keyHeads)x\(headDimension) \(width) \(inner) \(types)" }
    }

    private static let shapes = [
        Shape(), Shape(heads: 3, keyHeads: 3, headDimension: 10, pairs: 3, width: 50, inner: 70),
        Shape(types: [.float16]), Shape(types: [.bfloat16]), Shape(heads: 8, keyHeads: 1, types: [.q4_1]),
        Shape(heads: 8, keyHeads: 4, width: 256, inner: 512, types: [.q4_K, .q6_K, .q8_0]),
        Shape(heads: 9, keyHeads: 3, width: 160, types: [.q8_0, .q4_0, .float32, .q5_1]),
    ]

    @Test(arguments: shapes) func bitsOfTheOperations(_ shape: Shape) throws {
        var generator = Generator(seed: 12)
        let layers = layers(shape, &generator)
        // Quantised rows have a kernel only where the processor multiplies bytes.
        if ComputeThread.shared.run({ CPUBackend.shared.readableRows(layers[0].maps) }) == nil { return }
        let decoder = try #require(prepared(shape, layers))
        var caches = caches(shape, tokens: 5, &generator)
        var expected = caches
        for token in 0..<70 {
            let x = generator.normals([1, 1, shape.width])
            let angles = generator.normals([1, 1, shape.pairs])
            let result = try #require(decoder(x, caches: caches, cosines: cos(angles), sines: sin(angles)))
            let y = plain(x, shape, layers, caches: &expected, angles)
            #expect(isBitEqual(result.output, y), "token \(token)")
            caches = result.caches
        }
        for (cache, other) in zip(caches, expected) {
            #expect(isBitEqual(cache.keys.tensor.contiguous(), other.keys.tensor.contiguous()))
            #expect(isBitEqual(cache.values.tensor.contiguous(), other.values.tensor.contiguous()))
        }
    }

    /// The bits do not depend on the number of threads, of which some may find no head and no row.
    @Test func anyNumberOfThreads() throws {
        var generator = Generator(seed: 13)
        let shape = Shape(heads: 2, keyHeads: 1, width: 64, inner: 96)
        let decoder = try #require(prepared(shape, layers(shape, &generator)))
        let caches = caches(shape, tokens: 9, &generator)
        let (x, angles) = (generator.normals([1, 1, 64]), generator.normals([1, 1, shape.pairs]))
        let threads = ComputeThread.shared.threadCount
        defer { ComputeThread.shared.threadCount = threads }
        let results = try [1, 2, 5].map { count in
            ComputeThread.shared.threadCount = count
            return try #require(decoder(x, caches: caches, cosines: cos(angles), sines: sin(angles))).output
        }
        #expect(isBitEqual(results[0], results[1]) && isBitEqual(results[0], results[2]))
    }

    /// A state can be gone on from twice: what one way writes, the other does not see.
    @Test func branches() throws {
        var generator = Generator(seed: 14)
        let shape = Shape()
        let decoder = try #require(prepared(shape, layers(shape, &generator)))
        let start = caches(shape, tokens: 3, &generator)
        let tokens = [generator.normals([1, 1, 192]), generator.normals([1, 1, 192])]
        let angles = generator.normals([1, 1, shape.pairs])
        func after(_ token: Int, _ caches: GatedDecoder.Caches) throws -> (output: Tensor, caches: GatedDecoder.Caches)
        {
            try #require(decoder(tokens[token], caches: caches, cosines: cos(angles), sines: sin(angles)))
        }
        let trunk = try after(0, start)
        let first = try after(0, trunk.caches)
        let kept = first.caches[1].keys.tensor.contiguous() + 0
        _ = try after(1, trunk.caches)
        let again = try after(0, trunk.caches)
        #expect(isBitEqual(first.caches[1].keys.tensor.contiguous(), kept))
        #expect(isBitEqual(first.output, again.output))
    }

    /// What the kernel cannot read is left to the operations.
    @Test func refusals() throws {
        var generator = Generator(seed: 15)
        let shape = Shape()
        let layers = layers(shape, &generator)
        var trained = layers
        trained[1].up.weight = generator.normals([320, 192])
        #expect(prepared(shape, trained) == nil)
        var halved = layers
        halved[0].norm1 = halved[0].norm1.converted(to: .float16)
        #expect(prepared(shape, halved) == nil)
        let decoder = try #require(prepared(shape, layers))
        let caches = caches(shape, tokens: 3, &generator)
        let (x, angle) = (generator.normals([1, 1, 192]), generator.normals([1, 1, shape.pairs]))
        #expect(decoder(x, caches: caches, cosines: angle, sines: angle) != nil)
        #expect(decoder(x.tracked(), caches: caches, cosines: angle, sines: angle) == nil)
        #expect(decoder(generator.normals([2, 1, 192]), caches: caches, cosines: angle, sines: angle) == nil)
        var uneven = caches
        uneven[1].keys = GrowingTensor(generator.normals([1, 4, 2, 32]))
        #expect(decoder(x, caches: uneven, cosines: angle, sines: angle) == nil)
    }

    // MARK: Making

    private func layers(_ shape: Shape, _ generator: inout Generator) -> [GatedDecoderLayer] {
        var count = 0
        func map(_ inputs: Int, _ outputs: Int, hasBias: Bool = false) -> AffineMap {
            let type = shape.types[count % shape.types.count]
            count += 1
            let weight =
                type.isQuantized
                ? quantizedNoise(type, [outputs, inputs], &generator)
                : (generator.normals([outputs, inputs]) * 0.1).converted(to: type)
            return AffineMap(weight: weight.frozen(), bias: hasBias ? generator.normals([outputs]) : nil)
        }
        let (read, keys) = (shape.heads * shape.headDimension, shape.keyHeads * shape.headDimension)
        return (0..<2).map { _ in
            GatedDecoderLayer(
                norm1: generator.normals([shape.width]), queries: map(shape.width, read, hasBias: true),
                keys: map(shape.width, keys), values: map(shape.width, keys), output: map(read, shape.width),
                norm2: generator.normals([shape.width]), gate: map(shape.width, shape.inner),
                up: map(shape.width, shape.inner), down: map(shape.inner, shape.width, hasBias: true))
        }
    }

    private func caches(_ shape: Shape, tokens: Int, _ generator: inout Generator) -> GatedDecoder.Caches {
        func cache() -> GrowingTensor {
            GrowingTensor(generator.normals([1, tokens, shape.keyHeads, shape.headDimension]))
        }
        return (0..<2).map { _ in (cache(), cache()) }
    }

    private func prepared(_ shape: Shape, _ layers: [GatedDecoderLayer]) -> GatedDecoder? {
        GatedDecoder(layers, headDimension: shape.headDimension, epsilon: 1e-5, scale: 0.2)
    }

    private func plain(
        _ x: Tensor, _ shape: Shape, _ layers: [GatedDecoderLayer], caches: inout GatedDecoder.Caches, _ angles: Tensor
    ) -> Tensor {
        var x = x
        for (index, layer) in layers.enumerated() {
            let normed = rmsNorm(x, weight: layer.norm1, epsilon: 1e-5)
            func heads(_ map: AffineMap) -> Tensor {
                let y = linear(normed, map.weight, map.bias)
                return y.reshaped([1, 1, y.size(2) / shape.headDimension, shape.headDimension])
            }
            func turned(_ map: AffineMap) -> Tensor {
                rotary(heads(map), cosines: cos(angles), sines: sin(angles))
            }
            caches[index].keys = caches[index].keys.appending(turned(layer.keys))
            caches[index].values = caches[index].values.appending(heads(layer.values))
            let read = attention(
                queries: turned(layer.queries), keys: caches[index].keys.tensor, values: caches[index].values.tensor,
                AttentionOptions(scale: 0.2))
            let h = x + linear(read.flattened(2...3), layer.output.weight, layer.output.bias)
            let inner = rmsNorm(h, weight: layer.norm2, epsilon: 1e-5)
            let gated = swiglu(
                gate: linear(inner, layer.gate.weight, layer.gate.bias),
                up: linear(inner, layer.up.weight, layer.up.bias))
            x = h + linear(gated, layer.down.weight, layer.down.bias)
        }
        return x
    }
}
