@testable import TensorCore
import TestSupport
import Testing

/// Products on tile registers, or by dot products, beside the same products of rounded operands in fp32.
@Suite struct TileProductTests {
    struct Map: Sendable, CustomTestStringConvertible {
        let height: Int, width: Int, inputs: Int, outputs: Int, kernel: Int
        var before = [1, 1]
        var after = [1, 1]
        var stride = 1
        var testDescription: String { "\(inputs)x\(height)x\(width)->\(outputs), kernel \(kernel)" }
    }

    /// Rows of whole groups and of none, outputs that fill no panel, one position, uneven padding.
    static let maps = [
        Map(height: 8, width: 8, inputs: 32, outputs: 64, kernel: 3),
        Map(height: 5, width: 32, inputs: 64, outputs: 40, kernel: 3),
        Map(height: 20, width: 12, inputs: 96, outputs: 33, kernel: 3),
        Map(height: 1, width: 1, inputs: 32, outputs: 96, kernel: 3),
        Map(height: 9, width: 7, inputs: 32, outputs: 32, kernel: 3, before: [0, 2], after: [1, 0]),
        Map(height: 18, width: 18, inputs: 32, outputs: 5, kernel: 3, before: [0, 0], after: [0, 0]),
        Map(height: 10, width: 11, inputs: 32, outputs: 32, kernel: 5, before: [2, 2], after: [2, 2]),
        Map(height: 36, width: 16, inputs: 32, outputs: 96, kernel: 3),
        Map(height: 9, width: 70, inputs: 32, outputs: 64, kernel: 3, stride: 2),
        Map(height: 12, width: 64, inputs: 32, outputs: 64, kernel: 3, before: [0, 0], stride: 2),
        Map(height: 1, width: 2, inputs: 32, outputs: 32, kernel: 3, stride: 2),
    ]

    private let backend = CPUBackend.shared
    /// Sums of the same products, in another order.
    private let tolerance = 2e-6

    @Test(arguments: maps) func `a convolution is the sum of rounded products`(_ map: Map) {
        guard backend.multipliesBFloat16 else { return }
        var generator = Generator(seed: 21)
        let x = generator.normals([2, map.inputs, map.height, map.width])
        let weight = generator.normals([map.outputs, map.inputs, map.kernel, map.kernel]).converted(to: .bfloat16)
        let bias = generator.normals([map.outputs])
        let geometry = ConvolutionGeometry(
            stride: map.stride, paddingBefore: map.before, paddingAfter: map.after)
        let key = backend.bfloat16Key(.forward, x.shape, weight, geometry)
        #expect(backend.tilesFit(weight, key) || !backend.hasBFloat16Tiles)
        func product(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?, addedTo residual: Tensor? = nil) -> Tensor {
            backend.tileConvolution(
                x, weight: weight, bias: bias, addedTo: residual, outputShape: key.outputShape, geometry)
        }
        let half = x.converted(to: .bfloat16)
        let exact = convolution(half.converted(to: .float32), weight.converted(to: .float32), bias, geometry)
        let frozen = weight.frozen()
        let once = product(x, frozen, bias)
        #expect(relativeL2(once, exact) < tolerance)
        for x in [x.channelsLast(), half, half.channelsLast()] {
            #expect(isBitEqual(product(x, frozen, bias), once))
        }
        let residual = generator.normals(once.shape)
        #expect(isBitEqual(product(x, frozen, bias, addedTo: residual), residual + once))
        // Whatever kernel the table names, the sum with the residual has the bits of the two steps.
        let convolved = convolution(x, frozen, bias, geometry)
        #expect(isBitEqual(convolution(x, frozen, bias, geometry, addedTo: residual), residual + convolved))
        #expect(isBitEqual(convolved, once) || !backend.tilesFit(weight, key))
        // Weights in training are packed at each use; a row of a batch has the bits that it has alone.
        #expect(isBitEqual(product(x, weight, bias), once))
        let second = convolution(x.narrowed(0, start: 1, count: 1), frozen, bias, geometry)
        #expect(isBitEqual(second, convolved.narrowed(0, start: 1, count: 1)))
        #expect(relativeL2(product(x, frozen, nil), exact - bias.reshaped([1, -1, 1, 1])) < tolerance)
    }

    @Test(arguments: maps, [false, true])
    func `gradients of inputs are products with the weights turned`(_ map: Map, _ isKept: Bool) {
        guard backend.multipliesBFloat16 else { return }
        var generator = Generator(seed: 22)
        let x = generator.normals([2, map.inputs, map.height, map.width])
        let weight = generator.normals([map.outputs, map.inputs, map.kernel, map.kernel]).converted(to: .bfloat16)
        let frozen = weight.frozen()
        let geometry = ConvolutionGeometry(
            stride: map.stride, paddingBefore: map.before, paddingAfter: map.after)
        let output = convolution(x, weight.converted(to: .float32), nil, geometry)
        let gradient = generator.normals(output.shape).converted(to: .bfloat16).converted(to: .float32)
        // The kept form of a forward pass is what the gradient's is made from.
        let key = backend.bfloat16Key(.forward, x.shape, weight, geometry)
        if isKept {
            _ = backend.tileConvolution(
                x, weight: frozen, bias: nil, outputShape: key.outputShape, geometry)
        }
        let fits = map.outputs % 32 == 0 && map.stride == 1
        let reversed = backend.bfloat16Key(.inputGradient, x.shape, frozen, geometry)
        #expect(backend.tilesFit(frozen, reversed) == (fits && reversed.kernel == .directBFloat16))
        let exact = backend.convolutionInputGradient(
            gradient, weight: weight.converted(to: .float32), inputShape: x.shape, geometry)
        for _ in 0..<2 {
            let made = backend.convolutionInputGradient(gradient, weight: frozen, inputShape: x.shape, geometry)
            #expect(relativeL2(made, exact) < 0.01)
            guard fits else { continue }
            let product = backend.tileInputGradient(
                gradient, weight: frozen, inputShape: x.shape, padding: geometry.paddingBefore)
            #expect(relativeL2(product, exact) < tolerance)
            #expect(isBitEqual(made, product) || !backend.tilesFit(frozen, reversed))
        }
    }

    @Test(arguments: [2, 16, 17, 77, 550], [(32, 16), (96, 33), (320, 64), (64, 200)])
    func `a linear map is the sum of rounded products`(_ rows: Int, _ channels: (inputs: Int, outputs: Int)) {
        guard backend.multipliesBFloat16 else { return }
        var generator = Generator(seed: 23)
        let x = generator.normals([1, rows, channels.inputs])
        let weight = generator.normals([channels.outputs, channels.inputs]).converted(to: .bfloat16)
        let bias = generator.normals([channels.outputs])
        let half = x.converted(to: .bfloat16).converted(to: .float32)
        let exact = linear(half, weight.converted(to: .float32), bias)
        let frozen = weight.frozen()
        #expect(backend.tilesFit(frozen))
        let once = linear(x, frozen, bias)
        #expect(relativeL2(once, exact) < tolerance)
        #expect(isBitEqual(linear(x.converted(to: .bfloat16), frozen, bias), once))
        for count in [2, 9, 16] where count <= rows {
            let first = linear(x.narrowed(1, start: 0, count: count), frozen, bias)
            #expect(isBitEqual(first, once.narrowed(1, start: 0, count: count)))
        }
        // Rows that lie apart.
        let apart = concatenated([x, x], axis: 2).narrowed(2, start: 0, count: channels.inputs)
        #expect(isBitEqual(linear(apart, frozen, bias), once))
        let residual = generator.normals([channels.outputs, rows]).transposed(0, 1).unsqueezed(0)
        #expect(isBitEqual(linear(x, frozen, bias, addedTo: residual), residual + once))
        guard channels.outputs % 32 == 0 else { return }
        // The same weights the other way round, before and after the form of the forward pass is kept.
        let gradient = generator.normals([1, rows, channels.outputs]).converted(to: .bfloat16)
        let other = weight.frozen()
        let columns = weight.converted(to: .float32).transposed(0, 1)
        let turned = linear(gradient.converted(to: .float32), columns)
        #expect(relativeL2(linear(gradient, other.transposed(0, 1)), turned) < tolerance)
        #expect(relativeL2(linear(gradient, frozen.transposed(0, 1)), turned) < tolerance)
    }

    @Test(arguments: [3, 16, 45, 530], [32, 96]) func `gates are those of the linear map`(_ rows: Int, _ channels: Int)
    {
        var generator = Generator(seed: 24)
        let x = generator.normals([2, rows, 64])
        let weight = generator.normals([2 * channels, 64]).converted(to: .bfloat16).frozen()
        for bias in [generator.normals([2 * channels]), nil] {
            let apart = geglu(linear(x, weight, bias), rounded: true)
            let once = geglu(x, of: AffineMap(weight: weight, bias: bias), rounded: true)
            #expect(isBitEqual(once, apart))
        }
        let single = geglu(x.narrowed(1, start: 0, count: 1), of: AffineMap(weight: weight, bias: nil), rounded: true)
        #expect(single.dtype == .float32)
    }

    /// Few rows and strides, too: what is left to others, their threads might divide.
    @Test func `the number of threads does not show`() {
        var generator = Generator(seed: 25)
        let (rows, map) = (generator.normals([1, 5, 320]), generator.normals([1, 64, 9, 6]))
        let matrix = generator.normals([640, 320]).converted(to: .bfloat16).frozen()
        let kernel = generator.normals([96, 64, 3, 3]).converted(to: .bfloat16).frozen()
        let threads = ComputeThread.shared.threadCount
        defer { ComputeThread.shared.threadCount = threads }
        let results = [1, 2, 3, 7].map { count in
            ComputeThread.shared.threadCount = count
            return [linear(rows, matrix)]
                + [1, 2].map { convolution(map, kernel, nil, ConvolutionGeometry(stride: $0, padding: 1)) }
        }
        for others in results.dropFirst() {
            for (one, other) in zip(results[0], others) { #expect(isBitEqual(one, other)) }
        }
    }
}
