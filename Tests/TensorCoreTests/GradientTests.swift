import Foundation
import TensorCore
import TestSupport
import Testing

/// The rules of `gradients(of:)`.
@Suite struct GradientTests {
    @Test func sharedSubexpressionsAddUp() {
        let x = Tensor([2, -3] as [Float]).tracked()
        var y = x
        // Each step doubles the number of paths to x; the walk must visit each node once.
        for _ in 0..<40 { y = (y + y) * 0.5 }
        let result = gradients(of: sum(y * y + x))
        #expect(result[x]?.floats == [5, -5])
    }

    @Test func leafItselfHasItsSeed() {
        let x = Tensor([1, 2] as [Float]).tracked()
        #expect(gradients(of: x, seed: Tensor([3, 4] as [Float]))[x]?.floats == [3, 4])
    }

    @Test func untrackedTensorsHaveNoGradient() {
        let x = Tensor([1, 2] as [Float]).tracked()
        let constant = Tensor([5, 6] as [Float])
        let y = x * constant
        let result = gradients(of: sum(y))
        #expect(y.isTracked && result[constant] == nil)
        #expect(result[x]?.floats == [5, 6])
        #expect(!(constant * constant).isTracked)
        #expect(!y.detached.isTracked)
    }

    @Test func leavesAreToldApart() {
        let values = Tensor([1, 2] as [Float])
        let (a, b) = (values.tracked(), values.tracked())
        let result = gradients(of: sum(a * 2 + b * 3))
        #expect(result[a]?.floats == [2, 2])
        #expect(result[b]?.floats == [3, 3])
        #expect(result[values.tracked()] == nil)
    }

    @Test func intermediateTensorsAreKeptOnRequest() {
        let x = Tensor([3] as [Float]).tracked()
        let square = x * x
        let y = square * square
        #expect(gradients(of: y)[square] == nil)
        let result = gradients(of: y, retaining: [square])
        #expect(result[square]?.floats == [18])
        #expect(result[x]?.floats == [108])
    }

    @Test func gradientsAreNotTracked() throws {
        let x = Tensor([3] as [Float]).tracked()
        let gradient = try #require(gradients(of: x * x * x)[x])
        #expect(!gradient.isTracked)
    }

    @Test func sixteenBitLeavesGetFloat32Gradients() throws {
        let x = Tensor([1.5, -2] as [Float]).converted(to: .float16).tracked()
        // 4096 additions of 1/8192 would vanish in float16 beside 1.
        let parts = (0..<4096).map { _ in sum(x.converted(to: .float32)) * (1.0 / 8192) }
        let total = parts.reduce(sum(x.converted(to: .float32))) { $0 + $1 }
        let gradient = try #require(gradients(of: total)[x])
        #expect(gradient.dtype == .float32)
        #expect(gradient.floats == [1.5, 1.5])
    }

    /// A chain that would overflow the stack if its nodes were freed one inside another.
    @Test(.timeLimit(.minutes(1)))
    func longChainIsFreedWithoutRecursion() throws {
        // A small stack makes the recursion fail for certain.
        let finished = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var slope: Float?
        let thread = Thread {
            let x = Tensor([1] as [Float]).tracked()
            ComputeThread.shared.run {
                var y = x
                for _ in 0..<200_000 { y = y + 1e-6 }
                slope = gradients(of: y)[x]?.item
            }
            finished.signal()
        }
        thread.stackSize = 256 << 10
        thread.start()
        finished.wait()
        #expect(slope == 1)
    }

    /// Two threads at once get what each gets alone.
    @Test func threadsDoNotDisturbEachOther() async throws {
        @Sendable func work(_ seed: UInt64) -> Tensor? {
            var generator = Generator(seed: seed)
            let weight = generator.normals([16, 16]).tracked()
            var x = generator.normals([8, 16])
            for _ in 0..<20 { x = layerNorm(silu(linear(x, weight)) + x) }
            return gradients(of: sum(x * x * x))[weight]
        }
        let alone = try (1...4).map { try #require(work($0)) }
        await withTaskGroup(of: (Int, Tensor?).self) { group in
            for index in 0..<12 { group.addTask { (index % 4, work(UInt64(index % 4 + 1))) } }
            for await (index, gradient) in group {
                let isEqual = gradient.map { isBitEqual($0, alone[index]) } ?? false
                #expect(isEqual)
            }
        }
    }
}
