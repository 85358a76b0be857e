import CUDABackend
import TensorCore
import TestSupport
import Testing

/// What a device does beyond its kernels, which the tests of the ops check: memory, transfers, errors.
@Suite(.serialized) struct CUDADeviceTests {
    private static let devices = CUDADevice.separate(for: "device tests")

    @Test(arguments: devices) func roundTripKeepsEveryBit(device: CUDADevice) {
        for dtype in DType.allCases {
            let x = (Tensor.indices(60) - 20).converted(to: dtype).reshaped([3, 4, 5])
            for view in [x, x.transposed(0, 2), x.narrowed(1, start: 1, count: 2)] {
                let there = view.moved(to: device)
                #expect(there.backend === device && there.shape == view.shape && there.dtype == dtype)
                let back = there.moved(to: CPUBackend.shared)
                #expect(back.backend === CPUBackend.shared)
                #expect(back.integers == view.integers, "\(dtype) \(view.shape)")
            }
        }
    }

    /// A result goes where its weights are, whichever operand is on the device.
    @Test(arguments: devices) func operandsMeetOnTheDevice(device: CUDADevice) {
        let (x, weight) = (Tensor.ones([2, 3]), Tensor.ones([4, 3]))
        let expected = linear(x, weight)
        for (a, b) in [(x.moved(to: device), weight), (x, weight.moved(to: device))] {
            let y = linear(a, b)
            #expect(y.backend === device)
            #expect(y.floats == expected.floats)
        }
    }

    @Test(arguments: devices) func gradientsComeBackToTheHost(device: CUDADevice) throws {
        let x = Tensor([1, 2, 3] as [Float]).tracked()
        let result = gradients(of: sum(square(x.moved(to: device))))
        let gradient = try #require(result[x])
        #expect(gradient.backend === CPUBackend.shared)
        #expect(gradient.floats == [2, 4, 6])
    }

    /// Freed memory serves the next request: a long loop takes nothing more from the driver.
    @Test(arguments: devices) func memoryIsReused(device: CUDADevice) {
        func loop(_ count: Int) {
            var x = Tensor.ones([64, 64]).moved(to: device)
            for _ in 0..<count { x = (x * 1.01 + 0.5) - x }
            let isFinite = x.floats.allSatisfy(\.isFinite)
            #expect(isFinite)
        }
        loop(4)
        let before = device.memoryStatistics
        loop(50)
        let after = device.memoryStatistics
        #expect(after.reserved == before.reserved)
        #expect(after.live == before.live)
    }

    /// Frozen weights of the host are copied once, and a new storage in an old one's place is not taken for it.
    @Test(arguments: devices) func weightsAreUploadedOnce(device: CUDADevice) {
        let x = Tensor.ones([1, 8]).moved(to: device)
        let weight = Tensor.full(2, shape: [4, 8]).frozen()
        _ = linear(x, weight)
        let before = device.memoryStatistics.live
        for _ in 0..<10 { #expect(linear(x, weight).floats == [16, 16, 16, 16]) }
        #expect(device.memoryStatistics.live == before)
        for value in 1...20 {
            let other = Tensor.full(Double(value), shape: [4, 8]).frozen()
            #expect(linear(x, other).floats == [Float](repeating: Float(8 * value), count: 4))
        }
    }

    @Test(arguments: devices) func equalWorkGivesEqualBits(device: CUDADevice) {
        var random = TorchGenerator(seed: 3)
        let x = random.normal([2, 32, 16, 16]).moved(to: device)
        let weight = random.normal([32, 32, 3, 3]).moved(to: device)
        func work() -> [Float] {
            let leaf = weight.tracked()
            let y = groupNorm(convolution(x, leaf, nil, .init(padding: 1)), groups: 8, silu: true)
            return gradients(of: sum(square(y)))[leaf]?.floats ?? []
        }
        let first = work()
        #expect(!first.isEmpty)
        #expect(work() == first)
    }

    @Test(arguments: devices) func tf32StaysNear(device: CUDADevice) {
        var random = TorchGenerator(seed: 4)
        let (a, b) = (random.normal([33, 65]), random.normal([65, 17]))
        let expected = matmul(a, b)
        device.productPrecision = .tf32
        defer { device.productPrecision = .float32 }
        #expect(maximumDifference(matmul(a.moved(to: device), b), expected) < 0.1)
    }

    /// Tensor cores round operands to bfloat16, which has eight bits: sizes that fill no tile, masks, causality.
    @Test(arguments: devices, [16, 40, 64, 80, 96, 128, 160])
    func attentionOnTensorCores(device: CUDADevice, headDimension: Int) {
        var random = TorchGenerator(seed: UInt64(headDimension))
        for (queries, keys, isCausal) in [(70, 77, false), (130, 130, true), (5, 200, false)] {
            let q = random.normal([2, queries, 3, headDimension])
            let k = random.normal([2, keys, 3, headDimension])
            let v = random.normal([2, keys, 3, headDimension])
            let mask = random.normal([1, 1, queries, keys])
            var options = AttentionOptions(
                scale: 1 / Float(headDimension).squareRoot(), isCausal: isCausal, mask: isCausal ? nil : mask)
            let expected = attention(queries: q, keys: k, values: v, options)
            options.allowsBFloat16 = true
            let actual = attention(queries: q.moved(to: device), keys: k, values: v, options)
            let difference = relativeL2(actual, expected)
            #expect(difference < 0.01 && difference > 1e-6, "\(queries) x \(keys): \(difference)")
        }
    }

    @Test func withoutLibrariesTheReasonIsSaid() throws {
        // A folder that has none comes first; a machine with a driver finds its own after it.
        do {
            _ = try CUDADevice.device(99, libraries: ["/nonexistent"])
            Issue.record("device 99 was opened")
        } catch {
            let text = error.description
            #expect(text.contains("libcuda.so.1") || text.contains("no device 99"), "\(text)")
            #expect(!text.contains("\n"))
        }
    }
}
