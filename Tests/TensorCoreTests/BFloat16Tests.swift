@testable import TensorCore
import TestSupport
import Testing

/// Products of bfloat16 operands with fp32 sums, beside the same products in fp32.
@Suite(.serialized) struct BFloat16Tests {
    /// bfloat16 keeps 8 bits: each operand is off by at most 2^-9 of itself.
    private let tolerance = 0.01

    struct Heads: Sendable, CustomTestStringConvertible {
        let batch: Int, queries: Int, keys: Int, heads: Int, dimension: Int
        var testDescription: String { "\(batch) x \(queries) by \(keys), \(heads) heads of \(dimension)" }
    }

    /// Widths that fill no tile, one query, one key, several tiles of keys.
    static let attentions = [
        (1, 64, 64, 2, 64), (2, 100, 77, 3, 40), (1, 1, 1, 1, 8), (1, 65, 1030, 2, 80), (2, 33, 513, 1, 160),
        (1, 256, 256, 1, 512), (1, 7, 31, 4, 5),
    ].map { Heads(batch: $0.0, queries: $0.1, keys: $0.2, heads: $0.3, dimension: $0.4) }

    @Test(arguments: attentions)
    func `attention rounds its operands and nothing else`(_ shape: Heads) {
        var generator = Generator(seed: 4)
        func make(_ tokens: Int) -> Tensor { generator.normals([shape.batch, tokens, shape.heads, shape.dimension]) }
        let (q, k, v) = (make(shape.queries), make(shape.keys), make(shape.keys))
        let scale = 1 / Float(shape.dimension).squareRoot()
        let backend = CPUBackend.shared
        let exact = backend.attention(queries: q, keys: k, values: v, .init(scale: scale))
        let rounded = backend.attention(queries: q, keys: k, values: v, .init(scale: scale, allowsBFloat16: true))
        #expect(relativeL2(rounded.output, exact.output) < tolerance)
        #expect(zip(rounded.logSumExp.floats, exact.logSumExp.floats).allSatisfy { abs($0 - $1) < 0.03 })
        if backend.hasBFloat16Tiles { #expect(rounded.output.floats != exact.output.floats) }
    }

    @Test func `a row of a batch has the bits that it has alone`() {
        var generator = Generator(seed: 5)
        let (q, k, v) = (
            generator.normals([3, 70, 2, 40]), generator.normals([3, 90, 2, 40]), generator.normals([3, 90, 2, 40])
        )
        let options = AttentionOptions(scale: 0.15, allowsBFloat16: true)
        let all = attention(queries: q, keys: k, values: v, options)
        for row in 0..<3 {
            func one(_ x: Tensor) -> Tensor { x.narrowed(0, start: row, count: 1) }
            let alone = attention(queries: one(q), keys: one(k), values: one(v), options)
            #expect(alone.floats == one(all).floats)
        }
    }

    @Test(arguments: [(8, 1), (8, 2), (40, 1), (33, 2)], [3, 1])
    func `convolutions round their operands and nothing else`(_ map: (size: Int, stride: Int), _ kernel: Int) {
        var generator = Generator(seed: 6)
        let x = generator.normals([2, 20, map.size, map.size])
        let weight = generator.normals([24, 20, kernel, kernel]).converted(to: .bfloat16).frozen()
        let bias = generator.normals([24])
        let geometry = ConvolutionGeometry(stride: map.stride, padding: kernel / 2)
        let exact = convolution(x, weight.converted(to: .float32), bias, geometry)
        let rounded = convolution(x, weight, bias, geometry)
        #expect(relativeL2(rounded, exact) < tolerance)
        let alone = convolution(x.narrowed(0, start: 1, count: 1), weight, bias, geometry)
        #expect(alone.floats == rounded.narrowed(0, start: 1, count: 1).floats)
    }

    /// A gradient packs the weights from the form that the forward pass keeps, or from the weights where there is none.
    @Test(arguments: [(16, 1), (16, 2), (5, 1)], [3, 1])
    func `input gradients round their operands, from kept and from fresh weights alike`(
        _ map: (size: Int, stride: Int), _ kernel: Int
    ) throws {
        var generator = Generator(seed: 8)
        let x = generator.normals([2, 32, map.size, map.size])
        let weight = generator.normals([48, 32, kernel, kernel]).converted(to: .bfloat16)
        let geometry = ConvolutionGeometry(stride: map.stride, padding: kernel / 2)
        let shape = convolution(x, weight, nil, geometry).shape
        let gradient = generator.normals(shape)
        func gradientOfInput(_ weight: Tensor) -> Tensor {
            CPUBackend.shared.convolutionInputGradient(gradient, weight: weight, inputShape: x.shape, geometry)
        }
        let used = (weight.converted(to: .float32) + 0).converted(to: .bfloat16).frozen()
        _ = convolution(x, used, nil, geometry)
        let (kept, fresh) = (gradientOfInput(used), gradientOfInput(weight.frozen()))
        #expect(kept.floats == fresh.floats)
        #expect(relativeL2(kept, gradientOfInput(weight.converted(to: .float32))) < tolerance)
        #expect(gradientOfInput(used).floats == kept.floats)
    }

    @Test(arguments: [1, 70]) func `a product's input gradient is the same from kept and from fresh weights`(
        _ rows: Int
    ) {
        var generator = Generator(seed: 9)
        let weight = generator.normals([80, 96]).converted(to: .bfloat16)
        let used = (weight.converted(to: .float32) + 0).converted(to: .bfloat16).frozen()
        let gradient = generator.normals([2, rows, 80])
        _ = linear(generator.normals([2, 70, 96]), used)
        func gradientOfInput(_ weight: Tensor) -> Tensor {
            CPUBackend.shared.linear(gradient, weight: weight.transposed(0, 1), bias: nil)
        }
        let (kept, fresh) = (gradientOfInput(used), gradientOfInput(weight.frozen()))
        #expect(kept.floats == fresh.floats)
        #expect(relativeL2(kept, gradientOfInput(weight.converted(to: .float32))) < tolerance)
    }
}
