@testable import TensorCore
import Testing

@Suite struct MemoryTests {
    @Test func freedBuffersAreUsedAgain() {
        let pool = MemoryPool(retainedByteLimit: 1 << 20)
        for _ in 0..<10 { _ = Storage(byteCount: 10_000, pool: pool) }
        let statistics = pool.statistics
        #expect(statistics.requests == 10)
        #expect(statistics.systemAllocations == 1)
        #expect(statistics.liveBytes == 0)
        #expect(statistics.retainedBytes == statistics.peakLiveBytes)
        #expect(statistics.peakLiveBytes >= 10_000 && statistics.peakLiveBytes <= 12_500)
    }

    @Test func similarSizesShareAClass() {
        let pool = MemoryPool(retainedByteLimit: 1 << 20)
        _ = Storage(byteCount: 9_000, pool: pool)
        _ = Storage(byteCount: 10_240, pool: pool)
        #expect(pool.statistics.systemAllocations == 1)
        _ = Storage(byteCount: 10_241, pool: pool)
        #expect(pool.statistics.systemAllocations == 2)
    }

    @Test func retentionHasALimit() {
        let pool = MemoryPool(retainedByteLimit: 4096)
        do {
            let kept = (0..<4).map { _ in Storage(byteCount: 2048, pool: pool) }
            #expect(pool.statistics.liveBytes == 4 * 2048)
            withExtendedLifetime(kept) {}
        }
        #expect(pool.statistics.retainedBytes == 4096)
        pool.trim()
        #expect(pool.statistics.retainedBytes == 0)
        _ = Storage(byteCount: 2048, pool: pool)
        #expect(pool.statistics.systemAllocations == 5)
    }

    @Test func classesWasteAtMostAQuarter() {
        for byteCount in Array(1...5000) + [65_536, 65_537, 1 << 20, (1 << 24) + 1, 123_456_789] {
            let size = MemoryPool.roundedSize(byteCount)
            #expect(size >= byteCount && size % 64 == 0)
            #expect(size <= max(byteCount + byteCount / 4 + 64, 64))
        }
    }

    @Test func viewsShareStorageAndKeepItAlive() {
        let view: Tensor
        do {
            let x = Tensor((0..<12).map(Float.init), shape: [3, 4])
            view = x.transposed(0, 1).narrowed(0, start: 1, count: 2)
            #expect(view.storage === x.storage)
        }
        #expect(view.floats == [1, 5, 9, 2, 6, 10])
    }

    /// A loop in a steady state takes nothing from the system.
    @Test func steadyStateReusesEverything() {
        let pool = MemoryPool(retainedByteLimit: 1 << 24)
        func step() {
            let buffers = [40_000, 5_000, 123, 40_000].map { Storage(byteCount: $0, pool: pool) }
            withExtendedLifetime(buffers) {}
        }
        step()
        let allocations = pool.statistics.systemAllocations
        for _ in 0..<20 { step() }
        #expect(pool.statistics.systemAllocations == allocations)
    }
}
