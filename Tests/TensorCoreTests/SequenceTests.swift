import TestSupport
import Testing

@testable import TensorCore

/// What generating token by token is made of.
@Suite struct SequenceTests {
    /// One query: the kernel beside the composed path, with masks, groups, caps and strided keys.
    @Test(arguments: [(1, 1), (2, 6), (2, 4), (3, 3)], [nil, 2] as [Float?])
    func attentionStep(_ sizes: (Int, Int), _ cap: Float?) {
        var generator = Generator(seed: 4)
        let (keyHeads, heads) = (sizes.0 == 3 ? 3 : sizes.0, sizes.1)
        let q = generator.normals([2, 1, heads, 12])
        let k = generator.normals([2, 20, keyHeads, 12]).narrowed(1, start: 3, count: 9)
        let v = generator.normals([2, 20, keyHeads, 12]).narrowed(1, start: 2, count: 9)
        var hidden = [Float](repeating: 0, count: 18)
        for place in [9, 10, 11] { hidden[place] = -.infinity }
        for mask in [nil, Tensor(hidden, shape: [2, 1, 1, 9])] {
            let options = AttentionOptions(scale: 0.3, softCap: cap, mask: mask)
            let step = CPUBackend.shared.attentionStep(queries: q, keys: k, values: v, options)
            let plain = Composed.attentionStep(CPUBackend.shared, queries: q, keys: k, values: v, options)
            #expect(maximumDifference(step, plain) < 2e-6)
        }
    }

    /// Heads that share keys, over more keys than the kernel takes at once and in depths that fill no register: near the
    /// composed path, and each head's bits those that it has alone.
    @Test(arguments: [1, 2, 3, 4, 5, 9], [8, 16, 40, 64, 80, 128, 150])
    func attentionStepOfSharedKeys(_ group: Int, _ depth: Int) {
        var generator = Generator(seed: 8)
        let q = generator.normals([1, 1, 2 * group, depth])
        let (k, v) = (generator.normals([1, 53, 2, depth]), generator.normals([1, 53, 2, depth]))
        let options = AttentionOptions(scale: 1 / Float(depth).squareRoot())
        let step = CPUBackend.shared.attentionStep(queries: q, keys: k, values: v, options)
        let plain = Composed.attentionStep(CPUBackend.shared, queries: q, keys: k, values: v, options)
        #expect(maximumDifference(step, plain) < 2e-6)
        for head in 0..<2 * group {
            let shared = { (x: Tensor) in x.narrowed(2, start: head / group, count: 1) }
            let one = CPUBackend.shared.attentionStep(
                queries: q.narrowed(2, start: head, count: 1), keys: shared(k), values: shared(v), options)
            #expect(isBitEqual(one, step.narrowed(2, start: head, count: 1).contiguous()))
        }
    }

    /// Several products of one vector are those of each weight alone, to the bit, with and without gradients.
    @Test(arguments: [DType.float32, .bfloat16, .q4_1, .q6_K], [1, 3])
    func productsOfOneInput(_ dtype: DType, _ rows: Int) throws {
        var generator = Generator(seed: 9)
        let maps = [40, 16, 3].map { outputs in
            let wide = generator.normals([outputs, 256])
            let weight =
                dtype.isQuantized ? quantizedNoise(dtype, [outputs, 256], &generator) : wide.converted(to: dtype)
            return AffineMap(weight: weight.frozen(), bias: outputs == 16 ? generator.normals([outputs]) : nil)
        }
        for shape in [[rows, 1, 256], [rows, 4, 256]] {
            let x = generator.normals(shape)
            for (map, y) in zip(maps, linears(x, maps)) { #expect(isBitEqual(y, linear(x, map.weight, map.bias))) }
        }
        let x = generator.normals([rows, 1, 256]).tracked()
        let total = linears(x, maps).map { sum(square($0)) }.reduce(Tensor.full(0, shape: []), +)
        let alone = maps.map { sum(square(linear(x, $0.weight, $0.bias))) }.reduce(Tensor.full(0, shape: []), +)
        let (a, b) = (try #require(gradients(of: total)[x]), try #require(gradients(of: alone)[x]))
        #expect(isBitEqual(a, b) && l2Norm(a) > 0)
    }

    /// A growing tensor shows what was put into it, whoever grows it, and costs no copies in between.
    @Test func growing() {
        var generator = Generator(seed: 5)
        let parts = (0..<200).map { _ in generator.normals([2, 1, 3]) }
        var grown = GrowingTensor(parts[0])
        for part in parts.dropFirst() { grown = grown.appending(part) }
        #expect(isBitEqual(grown.tensor.contiguous(), concatenated(parts, axis: 1)))
        let (one, other) = (grown.appending(parts[3]), grown.appending(parts[7]))
        #expect(isBitEqual(one.tensor.contiguous(), concatenated(parts + [parts[3]], axis: 1)))
        #expect(isBitEqual(other.tensor.contiguous(), concatenated(parts + [parts[7]], axis: 1)))
        #expect(isBitEqual(grown.tensor.contiguous(), concatenated(parts, axis: 1)))
        #expect(one.tensor.storage === grown.tensor.storage || other.tensor.storage !== grown.tensor.storage)
        let tracked = grown.appending(parts[0].tracked())
        #expect(tracked.tensor.isTracked)
    }

    /// Frozen weights of every type: one vector a row gives what many give, and each row's bits are its own.
    @Test(arguments: [DType.float32, .float16, .bfloat16], [1, 2, 5])
    func vectorProducts(_ dtype: DType, _ rows: Int) {
        var generator = Generator(seed: 6)
        let weight = generator.normals([37, 50]).converted(to: dtype).frozen()
        let (bias, x) = (generator.normals([37]), generator.normals([rows, 1, 50]))
        let y = linear(x, weight, bias)
        let expected = Composed.linear(CPUBackend.shared, x, weight: weight, bias: bias)
        #expect(maximumDifference(y, expected) < 2e-5)
        for row in 0..<rows {
            let alone = linear(x.narrowed(0, start: row, count: 1), weight, bias)
            #expect(isBitEqual(alone, y.narrowed(0, start: row, count: 1).contiguous()))
        }
    }

    /// Quantised weights: products of one and of several vectors, rows, a reordering, and gradients by the input.
    @Test(arguments: DType.quantized) func quantizedWeights(_ dtype: DType) throws {
        var generator = Generator(seed: 7)
        let (n, k) = (45, 512)
        let weight = quantizedNoise(dtype, [n, k], &generator).frozen()
        let wide = weight.converted(to: .float32)
        #expect(wide.floats.allSatisfy(\.isFinite) && l2Norm(wide) > 0.1)
        let bias = generator.normals([n])
        for shape in [[1, 1, k], [3, 1, k], [1, 7, k], [2, 5, k], [k]] {
            let x = generator.normals(shape).tracked()
            let (y, expected) = (linear(x, weight, bias), linear(x, wide, bias))
            #expect(relativeL2(y, expected) < 2e-6, "\(shape)")
            let (a, b) = (gradients(of: sum(square(y)))[x], gradients(of: sum(square(expected)))[x])
            #expect(relativeL2(try #require(a), try #require(b)) < 1e-5)
        }
        let rows = Tensor([4, 0, 44, 4] as [Int64])
        #expect(isBitEqual(embedding(rows, weight), embedding(rows, wide)))
        let order = Array((0..<n).reversed())
        #expect(
            isBitEqual(weight.withRows(order).converted(to: .float32), embedding(Tensor(order.map(Int64.init)), wide)))
        #expect(
            isBitEqual(weight.transposed(0, 1).converted(to: .float32).contiguous(), wide.transposed(0, 1).contiguous())
        )
    }
}
