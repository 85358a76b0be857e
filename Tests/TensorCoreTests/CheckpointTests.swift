@testable import TensorCore
import TestSupport
import Testing

/// A checkpoint changes memory, never gradients.
@Suite(.serialized) struct CheckpointTests {
    private struct Block {
        let weight: Tensor
        let bias: Tensor

        init(_ generator: inout Generator, channels: Int) {
            weight = (generator.normals([channels, channels]) * (1 / Double(channels).squareRoot())).tracked()
            bias = (generator.normals([channels]) * 0.1).tracked()
        }
    }

    @Sendable private static func apply(_ x: Tensor, _ weight: Tensor, _ bias: Tensor) -> Tensor {
        let h = silu(linear(layerNorm(x), weight, bias))
        return x + h * sigmoid(h)
    }

    private func run(_ x: Tensor, _ blocks: [Block], isCheckpointed: Bool) -> Tensor {
        blocks.reduce(x) { x, block in
            guard isCheckpointed else { return CheckpointTests.apply(x, block.weight, block.bias) }
            return checkpoint(inputs: [x], parameters: [block.weight, block.bias]) { inputs, parameters in
                CheckpointTests.apply(inputs[0], parameters[0], parameters[1])
            }
        }
    }

    @Test func gradientsAreBitEqual() throws {
        var generator = Generator(seed: 1)
        let blocks = (0..<4).map { _ in Block(&generator, channels: 24) }
        let x = generator.normals([10, 24]).tracked()
        let (plain, checkpointed) = (run(x, blocks, isCheckpointed: false), run(x, blocks, isCheckpointed: true))
        #expect(isBitEqual(plain, checkpointed))
        let seed = generator.normals(plain.shape)
        let (expected, actual) = (gradients(of: plain, seed: seed), gradients(of: checkpointed, seed: seed))
        for leaf in [x] + blocks.flatMap({ [$0.weight, $0.bias] }) {
            let (one, other) = (try #require(actual[leaf]), try #require(expected[leaf]))
            #expect(isBitEqual(one, other))
            let isZero = other.floats.allSatisfy { $0 == 0 }
            #expect(!isZero)
        }
    }

    /// Trap: what the body captures is a constant to it.
    @Test func capturedParameterMustBeListed() throws {
        let weight = Tensor([2, 3] as [Float]).tracked()
        let x = Tensor([1, 4] as [Float]).tracked()
        let listed = checkpoint(inputs: [x], parameters: [weight]) { inputs, parameters in
            inputs[0] * parameters[0]
        }
        let captured = checkpoint(inputs: [x]) { inputs, _ in inputs[0] * weight }
        #expect(gradients(of: sum(listed))[weight]?.floats == [1, 4])
        let result = gradients(of: sum(captured))
        #expect(result[weight] == nil)
        #expect(result[x]?.floats == [2, 3])
    }

    @Test func untrackedInputsNeedNoGradient() {
        let weight = Tensor([2, 3] as [Float]).tracked()
        let x = Tensor([1, 4] as [Float])
        let y = checkpoint(inputs: [x], parameters: [weight, weight]) { inputs, parameters in
            inputs[0] * parameters[0] * parameters[1]
        }
        #expect(gradients(of: sum(y))[weight]?.floats == [4, 24])
        #expect(!checkpoint(inputs: [x]) { inputs, _ in inputs[0] * 2 }.isTracked)
    }

    @Test func bodyThatGivesItsInputBack() {
        let x = Tensor([1, 4] as [Float]).tracked()
        let y = checkpoint(inputs: [x]) { inputs, _ in inputs[0] }
        #expect(gradients(of: sum(y * y))[x]?.floats == [2, 8])
    }

    @Test func checkpointsNest() {
        let x = Tensor([1, 4] as [Float]).tracked()
        let y = checkpoint(inputs: [x]) { inputs, _ in
            let inner = checkpoint(inputs: [inputs[0] * 3]) { inputs, _ in inputs[0] * inputs[0] }
            return inner * inputs[0]
        }
        #expect(gradients(of: sum(y))[x]?.floats == [27, 432])
    }

    /// Large tensors, so that what other tests do at the same time does not show.
    @Test func peakMemoryFalls() {
        var generator = Generator(seed: 2)
        let channels = 64
        let blocks = (0..<8).map { _ in Block(&generator, channels: channels) }
        let x = Tensor.full(0.5, shape: [(16 << 20) / (4 * channels), channels])
        func peak(isCheckpointed: Bool) -> Int {
            let before = MemoryPool.shared.statistics.liveBytes
            MemoryPool.shared.resetPeak()
            _ = gradients(of: sum(run(x, blocks, isCheckpointed: isCheckpointed)))
            return MemoryPool.shared.statistics.peakLiveBytes - before
        }
        let (plain, checkpointed) = (peak(isCheckpointed: false), peak(isCheckpointed: true))
        // 16 MiB a tensor, about four kept by a block; a checkpoint keeps one.
        #expect(checkpointed < plain / 2, "\(checkpointed >> 20) of \(plain >> 20) MiB")
    }
}
