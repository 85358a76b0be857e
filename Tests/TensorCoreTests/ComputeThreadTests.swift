import TensorCore
import Testing

@Suite(.serialized) struct ComputeThreadTests {
    private struct Failure: Error, Equatable { let index: Int }

    /// Runs `body` with a number of threads and puts the former one back.
    private func withThreads<Result>(_ count: Int, _ body: () throws -> Result) rethrows -> Result {
        let before = ComputeThread.shared.threadCount
        ComputeThread.shared.threadCount = count
        defer { ComputeThread.shared.threadCount = before }
        return try body()
    }

    /// A product, a convolution and a norm with their gradients, as bytes.
    private func work(_ index: Int) -> [[UInt32]] {
        var random = TorchGenerator(seed: UInt64(index))
        let x = random.normal([2, 32, 16, 16]).tracked()
        let weight = random.normal([32, 32, 3, 3]).tracked()
        let matrix = random.normal([16, 16]).tracked()
        let h = groupNorm(convolution(x, weight, nil, ConvolutionGeometry(padding: 1)), groups: 4)
        let loss = mean(square(matmul(h, matrix)))
        let gradients = gradients(of: loss)
        return [loss, gradients[x], gradients[weight], gradients[matrix]].map { tensor in
            (tensor?.contiguous().floats ?? []).map(\.bitPattern)
        }
    }

    @Test func `pieces side by side have the bits of pieces one after the other`() throws {
        let alone = (0..<5).map { index in withThreads(1) { work(index) } }
        let beside = try withThreads(2) { try ComputeThread.shared.concurrently(5) { work($0) } }
        #expect(beside == alone)
        #expect(Set(alone).count == 5)
    }

    @Test func `a piece with two threads has the bits of a piece with one`() throws {
        let alone = (0..<2).map { index in withThreads(1) { work(index) } }
        let beside = try withThreads(4) { try ComputeThread.shared.concurrently(2) { work($0) } }
        #expect(beside == alone)
    }

    @Test func `long work reports after each group, and stops where the report throws`() throws {
        var seen: [Int] = []
        let squares = try withThreads(2) {
            try ComputeThread.shared.concurrently(5, progress: { seen.append($0) }) { $0 * $0 }
        }
        #expect(squares == [0, 1, 4, 9, 16] && seen == [2, 4, 5])
        #expect(throws: Failure(index: 4)) {
            try withThreads(2) {
                try ComputeThread.shared.concurrently(9, progress: { if $0 == 4 { throw Failure(index: $0) } }) { $0 }
            }
        }
    }

    @Test func `the first failure in order is thrown, after every piece has ended`() {
        #expect(throws: Failure(index: 1)) {
            try withThreads(2) {
                try ComputeThread.shared.concurrently(4) { index in
                    if index > 0 { throw Failure(index: index) }
                }
            }
        }
    }

    @Test func `pieces within a piece run in it`() throws {
        let sums = try withThreads(2) {
            try ComputeThread.shared.concurrently(2) { outer in
                try ComputeThread.shared.concurrently(3) { $0 + 10 * outer }.reduce(0, +)
            }
        }
        #expect(sums == [3, 33])
    }

    @Test func `threads are shared out and given back`() throws {
        try withThreads(4) {
            let counts = try ComputeThread.shared.concurrently(3) { _ in ComputeThread.shared.threadCount }
            #expect(counts == [2, 1, 1])
            #expect(ComputeThread.shared.threadCount == 4)
        }
    }
}
