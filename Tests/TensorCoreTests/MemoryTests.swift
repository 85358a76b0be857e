@testable import TensorCore
import Testing

@Suite struct MemoryTests {
    @Test func freedBuffersAreUsedAgain() {
        let pool = MemoryPool(slack: 1 << 20)
        for _ in 0..<10 { _ = Storage(byteCount: 10_000, pool: pool) }
        let statistics = pool.statistics
        #expect(statistics.requests == 10)
        #expect(statistics.systemAllocations == 1)
        #expect(statistics.liveBytes == 0)
        #expect(statistics.retainedBytes == statistics.peakLiveBytes)
        #expect(statistics.peakLiveBytes >= 10_000 && statistics.peakLiveBytes <= 12_500)
    }

    @Test func similarSizesShareAClass() {
        let pool = MemoryPool(slack: 1 << 20)
        _ = Storage(byteCount: 9_000, pool: pool)
        _ = Storage(byteCount: 10_240, pool: pool)
        #expect(pool.statistics.systemAllocations == 1)
        _ = Storage(byteCount: 10_241, pool: pool)
        #expect(pool.statistics.systemAllocations == 2)
    }

    /// What was in use at once is kept, and `slack` beyond it: the sizes that were not asked for the longest go first.
    @Test func freeBuffersStayNearWhatWasInUse() {
        let pool = MemoryPool(slack: 4096)
        do {
            let kept = (0..<4).map { _ in Storage(byteCount: 2048, pool: pool) }
            #expect(pool.statistics.liveBytes == 4 * 2048)
            withExtendedLifetime(kept) {}
        }
        #expect(pool.statistics.retainedBytes == 4 * 2048)
        _ = Storage(byteCount: 4096, pool: pool)
        #expect(pool.statistics.retainedBytes == 4 * 2048 + 4096)
        // One more size does not fit: the four go, of the size that was last asked for before.
        _ = Storage(byteCount: 3072, pool: pool)
        #expect(pool.statistics.retainedBytes == 4096 + 3072)
        #expect(pool.statistics.systemAllocations == 6)
        _ = Storage(byteCount: 4096, pool: pool)
        #expect(pool.statistics.systemAllocations == 6)
        pool.trim()
        #expect(pool.statistics.retainedBytes == 0)
        _ = Storage(byteCount: 2048, pool: pool)
        #expect(pool.statistics.systemAllocations == 7)
    }

    /// Kernels of many sizes take one room: what is lent counts as live, and a kernel within a kernel gets its own.
    @Test func scratchIsOneRoom() {
        ComputeThread.shared.run {
            let room = ScratchRoom()
            let first = room.lend(10_000) { pointer in
                room.lend(500) { inner in #expect(inner != pointer) }
                return pointer
            }
            for count in [1, 9_000, 10_000] { room.lend(count) { #expect($0 == first) } }
            room.lend(1 << 20) { $0.storeBytes(of: 7, toByteOffset: (1 << 20) - 1, as: UInt8.self) }
            room.lend(0) { _ in }
        }
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
        let pool = MemoryPool(slack: 1 << 24)
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
