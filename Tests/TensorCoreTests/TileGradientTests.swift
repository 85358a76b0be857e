@testable import TensorCore
import TestSupport
import Testing

/// Gradients of weights on tile registers beside the same products of rounded operands in fp32.
@Suite struct TileGradientTests {
    struct Map: Sendable, CustomTestStringConvertible {
        let batch: Int, height: Int, width: Int, inputs: Int, outputs: Int, kernel: Int
        var before = [1, 1]
        var after = [1, 1]
        var stride = 1
        var testDescription: String { "\(batch)x\(inputs)x\(height)x\(width)->\(outputs), kernel \(kernel)" }
    }

    /// Channels that fill no block, one place, uneven padding and none, more taps than a tile has rows, strides that leave
    /// a row out, a map of several spans.
    static let maps = [
        Map(batch: 2, height: 8, width: 8, inputs: 32, outputs: 64, kernel: 3),
        Map(batch: 3, height: 5, width: 33, inputs: 64, outputs: 40, kernel: 3),
        Map(batch: 1, height: 20, width: 12, inputs: 41, outputs: 33, kernel: 3),
        Map(batch: 2, height: 1, width: 1, inputs: 32, outputs: 96, kernel: 3),
        Map(batch: 2, height: 9, width: 7, inputs: 3, outputs: 32, kernel: 3, before: [0, 2], after: [1, 0]),
        Map(batch: 2, height: 18, width: 17, inputs: 32, outputs: 5, kernel: 3, before: [0, 0], after: [0, 0]),
        Map(batch: 2, height: 10, width: 11, inputs: 33, outputs: 17, kernel: 5, before: [2, 2], after: [2, 2]),
        Map(batch: 1, height: 8, width: 9, inputs: 20, outputs: 40, kernel: 8, before: [4, 3], after: [3, 4]),
        Map(batch: 3, height: 6, width: 7, inputs: 200, outputs: 48, kernel: 1, before: [0, 0], after: [0, 0]),
        Map(batch: 2, height: 9, width: 70, inputs: 32, outputs: 64, kernel: 3, stride: 2),
        Map(batch: 2, height: 12, width: 64, inputs: 32, outputs: 34, kernel: 3, before: [0, 0], stride: 2),
        Map(batch: 2, height: 1, width: 2, inputs: 32, outputs: 32, kernel: 3, stride: 2),
        Map(
            batch: 2, height: 5, width: 6, inputs: 16, outputs: 32, kernel: 1, before: [0, 0], after: [0, 0], stride: 2),
        Map(batch: 2, height: 130, width: 131, inputs: 8, outputs: 9, kernel: 3),
    ]

    private let backend = CPUBackend.shared

    @Test(arguments: maps) func `the gradient of a kernel is a sum of rounded products`(_ map: Map) {
        guard backend.multipliesBFloat16 else { return }
        var generator = Generator(seed: 31)
        let x = generator.normals([map.batch, map.inputs, map.height, map.width]).converted(to: .bfloat16)
        let shape = [map.outputs, map.inputs, map.kernel, map.kernel]
        let geometry = ConvolutionGeometry(
            stride: map.stride, paddingBefore: map.before, paddingAfter: map.after)
        let places = (0..<2).map {
            geometry.outputSize(input: x.size(2 + $0), kernel: map.kernel, dimension: $0)
        }
        let gradient = generator.normals([map.batch, map.outputs] + places)
        #expect(backend.tilesFit(gradientOf: shape, x: x, geometry))
        let exact = backend.convolutionWeightGradient(
            gradient.converted(to: .bfloat16).converted(to: .float32), x: x.converted(to: .float32),
            weightShape: shape, geometry)
        let once = backend.convolutionWeightGradient(gradient, x: x, weightShape: shape, geometry)
        #expect(once.shape == shape && once.layout.isContiguous)
        #expect(relativeL2(once, exact) < 5e-6, "\(relativeL2(once, exact))")
        for x in [x.channelsLast(), x.contiguous()] {
            let again = backend.convolutionWeightGradient(
                gradient.channelsLast(), x: x, weightShape: shape, geometry)
            #expect(isBitEqual(again, once))
        }
    }

    @Test(arguments: [2, 31, 330], [(32, 16), (96, 33), (330, 64), (7, 200)])
    func `the gradient of a matrix is a sum of rounded products`(
        _ rows: Int, _ channels: (inputs: Int, outputs: Int)
    ) throws {
        guard backend.hasBFloat16Tiles else { return }
        var generator = Generator(seed: 32)
        let x = generator.normals([1, rows, channels.inputs])
        let weight = generator.normals([channels.outputs, channels.inputs]).converted(to: .bfloat16).tracked()
        let gradient = generator.normals([1, rows, channels.outputs])
        let found = gradients(of: linear(x, weight), seed: gradient)[weight]
        func rounded(_ x: Tensor) -> Tensor { x.squeezed(0).converted(to: .bfloat16).converted(to: .float32) }
        let exact = matmul(rounded(gradient).transposed(0, 1), rounded(x))
        #expect(relativeL2(try #require(found), exact) < 5e-6)
    }

    @Test func `the number of threads does not show`() {
        guard backend.multipliesBFloat16 else { return }
        var generator = Generator(seed: 33)
        let threads = ComputeThread.shared.threadCount
        defer { ComputeThread.shared.threadCount = threads }
        for (size, inputs, outputs) in [(9, 70, 40), (130, 8, 9)] {
            let x = generator.normals([2, inputs, size, size]).converted(to: .bfloat16)
            let gradient = generator.normals([2, outputs, size, size])
            let results = [1, 2, 3, 7].map { count in
                ComputeThread.shared.threadCount = count
                return backend.convolutionWeightGradient(
                    gradient, x: x, weightShape: [outputs, inputs, 3, 3], ConvolutionGeometry(padding: 1))
            }
            for other in results.dropFirst() { #expect(isBitEqual(results[0], other)) }
        }
    }

    /// A step of a training: weights that change are seen as they are, and what was packed of the old ones is gone.
    @Test func `rounded weights are packed anew and let go`() throws {
        var generator = Generator(seed: 34)
        let x = generator.normals([1, 256, 5, 4]).tracked()
        var weight = generator.normals([256, 256, 3, 3])
        let geometry = ConvolutionGeometry(padding: 1)
        var kept: [Int] = []
        for _ in 0..<12 {
            let rounded = weight.converted(to: .bfloat16)
            let leaf = rounded.frozen().tracked()
            let y = convolution(x, leaf, nil, geometry)
            let exact = convolution(
                x.detached.converted(to: .bfloat16).converted(to: .float32), rounded.converted(to: .float32), nil,
                geometry)
            #expect(relativeL2(y, exact) < 5e-3)
            if backend.hasBFloat16Tiles { #expect(relativeL2(y, exact) < 2e-6) }
            let found = gradients(of: sum(square(y)))
            #expect(try #require(found[x]).shape == x.shape)
            weight = weight - 0.001 * (try #require(found[leaf]))
            kept.append(backend.packedByteCount)
        }
        // 1.2 MB each; other tests keep a little at the same time.
        #expect(kept[11] - kept[0] < 6 << 20, "\(kept)")
    }
}
