@testable import TensorCore
import TestSupport
import Testing

/// Products of bfloat16 operands with fp32 sums, beside the same products in fp32.
@Suite(.serialized) struct BFloat16Tests {
    /// Every half-precision number becomes the bfloat16 that it becomes by way of float32, and the other way round.
    @Test func halvesOfBothKinds() {
        for (from, to) in [(DType.float16, DType.bfloat16), (.bfloat16, .float16)] {
            let all = Tensor.filled(shape: [1 << 16], dtype: from) { bytes in
                for value in 0..<1 << 16 {
                    bytes.storeBytes(of: UInt16(value), toByteOffset: 2 * value, as: UInt16.self)
                }
            }
            #expect(isBitEqual(all.converted(to: to), all.converted(to: .float32).converted(to: to)))
        }
    }

    /// Norms and gates that round their results, and products that are given rounded inputs, give the bits of rounding
    /// apart.
    @Test func roundedResults() throws {
        var generator = Generator(seed: 11)
        let backend = CPUBackend.shared
        for channels in [24, 320, 520] {
            let map = generator.normals([2, channels, 5, 7])
            let (weight, bias) = (generator.normals([channels]), generator.normals([channels]))
            for x in [map, map.channelsLast()] {
                for isActivated in [false, true] {
                    func norm(_ rounded: Bool) -> Tensor {
                        groupNorm(x, groups: 8, weight: weight, bias: bias, silu: isActivated, rounded: rounded)
                    }
                    #expect(isBitEqual(norm(true), norm(false).converted(to: .bfloat16)))
                }
            }
            let rows = map.permuted([0, 2, 3, 1]).contiguous()
            for bias in [nil, bias] {
                #expect(
                    isBitEqual(
                        layerNorm(rows, weight: weight, bias: bias, rounded: true),
                        layerNorm(rows, weight: weight, bias: bias).converted(to: .bfloat16)))
            }
            #expect(isBitEqual(geglu(rows, rounded: true), geglu(rows).converted(to: .bfloat16)))
            let single = generator.normals([2, 1, channels])
            #expect(layerNorm(single, weight: weight, rounded: true).dtype == .float32)
            #expect(geglu(single, rounded: true).dtype == .float32)
            try expectGradientsOfRounding(map.channelsLast(), weight)

            let half = map.converted(to: .bfloat16)
            #expect(
                isBitEqual(
                    resample(half, .nearest(factor: 2)), resample(map, .nearest(factor: 2)).converted(to: .bfloat16)))
            let kernel = generator.normals([16, channels, 3, 3]).converted(to: .bfloat16).frozen()
            let matrix = generator.normals([16, channels]).converted(to: .bfloat16).frozen()
            if kernel.roundsOperands {
                let geometry = ConvolutionGeometry(padding: 1)
                #expect(isBitEqual(convolution(half, kernel, nil, geometry), convolution(map, kernel, nil, geometry)))
                #expect(isBitEqual(linear(rows.converted(to: .bfloat16), matrix), linear(rows, matrix)))
            }
        }
        #expect(Tensor.zeros([2, 2]).roundsOperands == false)
        #expect(Tensor.zeros([2, 2]).converted(to: .bfloat16).roundsOperands == backend.multipliesBFloat16)
    }

    /// The gradient passes a rounding unchanged: it is that of the result which is not rounded.
    private func expectGradientsOfRounding(_ map: Tensor, _ weight: Tensor) throws {
        let rows = map.permuted([0, 2, 3, 1]).contiguous()
        for (x, body) in [
            (map, { groupNorm($0, groups: 8, weight: weight, silu: true, rounded: $1) }),
            (rows, { layerNorm($0, weight: weight, rounded: $1) }), (rows, { geglu($0, rounded: $1) }),
        ] as [(Tensor, (Tensor, Bool) -> Tensor)] {
            let leaf = x.tracked()
            let (rounded, exact) = (body(leaf, true), body(leaf, false))
            #expect(rounded.dtype == .bfloat16 && rounded.isTracked)
            #expect(isBitEqual(rounded.detached, exact.detached.converted(to: .bfloat16)))
            let seed = exact.detached * exact.detached
            let (first, second) = (gradients(of: rounded, seed: seed)[leaf], gradients(of: exact, seed: seed)[leaf])
            #expect(isBitEqual(try #require(first), try #require(second)))
        }
    }

    /// Scores that rise from one block of keys to the next, further than weights can be written down.
    @Test(arguments: [1, 32, 512, 4096] as [Float]) func attentionOfRisingScores(_ slope: Float) {
        let backend = CPUBackend.shared
        guard backend.multipliesBFloat16 else { return }
        var generator = Generator(seed: 12)
        let (keyCount, depth) = (2048, 32)
        let q = Tensor.ones([1, 64, 1, depth])
        let rise = (0..<keyCount).map { slope * Float($0 / 512) / Float(depth) }
        let k = Tensor(rise, shape: [1, keyCount, 1, 1]).expanded(to: [1, keyCount, 1, depth]).contiguous()
        let v = generator.normals([1, keyCount, 1, depth])
        let rounded = backend.attention(queries: q, keys: k, values: v, .init(scale: 1, allowsBFloat16: true))
        let exact = backend.attention(queries: q, keys: k, values: v, .init(scale: 1))
        #expect(relativeL2(rounded.output, exact.output) < 0.02, "\(relativeL2(rounded.output, exact.output))")
        #expect(maximumDifference(rounded.logSumExp, exact.logSumExp) < 0.004 * max(3 * slope, 2))
    }

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
        if backend.multipliesBFloat16 { #expect(rounded.output.floats != exact.output.floats) }
    }

    @Test(arguments: attentions)
    func `attention's gradients round their operands and nothing else`(_ shape: Heads) {
        let backend = CPUBackend.shared
        guard backend.multipliesBFloat16 else { return }
        var generator = Generator(seed: 14)
        func make(_ tokens: Int) -> Tensor { generator.normals([shape.batch, tokens, shape.heads, shape.dimension]) }
        let (q, k, v) = (make(shape.queries), make(shape.keys), make(shape.keys))
        let gradient = make(shape.queries)
        var options = AttentionOptions(scale: 1 / Float(shape.dimension).squareRoot())
        let (output, logSumExp) = backend.attention(queries: q, keys: k, values: v, options)
        func backward(_ threads: Int) -> [Tensor] {
            ComputeThread.shared.threadCount = threads
            let result = backend.attentionBackward(
                gradient, queries: q, keys: k, values: v, output: output, logSumExp: logSumExp, options)
            return [result.queries, result.keys, result.values]
        }
        let threads = ComputeThread.shared.threadCount
        defer { ComputeThread.shared.threadCount = threads }
        let exact = backward(1)
        (options.allowsBFloat16, options.roundsGradients) = (true, true)
        let rounded = backward(1)
        // A single key's weight is 1 whatever it is: its gradient and the query's are zero.
        for (found, exact) in zip(rounded, exact).dropFirst(shape.keys == 1 ? 2 : 0) {
            #expect(relativeL2(found, exact) < tolerance, "\(relativeL2(found, exact))")
            #expect(!isBitEqual(found, exact))
        }
        for (one, other) in zip(rounded, backward(3)) { #expect(isBitEqual(one, other)) }
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
