import Synchronization

/// Reuses buffers, because a fresh large buffer costs several times the operation that fills it (page faults).
///
/// Sizes are rounded up to four classes per power of two, so a freed buffer serves later requests of similar size.
/// All buffers together, free ones included, may be `slack` larger than the most that was ever in use at once; beyond that the
/// free ones of the size that was not asked for the longest go back to the system.
public final class MemoryPool: Sendable {
    public static let shared = MemoryPool(slack: 64 << 20)

    /// What the pool handed out and still holds, in bytes.
    public struct Statistics: Sendable, Equatable {
        public var liveBytes = 0
        public var peakLiveBytes = 0
        public var retainedBytes = 0
        /// Buffers taken from the system since the start.
        public var systemAllocations = 0
        /// Buffers handed out since the start.
        public var requests = 0
    }

    private struct State: ~Copyable {
        var free: [Int: Class] = [:]
        /// Calls of `givingBack` that run.
        var givingBack = 0
        var statistics = Statistics()
        /// The most that was ever in use.
        var mostLiveBytes = 0

        mutating func use(_ byteCount: Int) {
            statistics.liveBytes += byteCount
            statistics.peakLiveBytes = max(statistics.peakLiveBytes, statistics.liveBytes)
            mostLiveBytes = max(mostLiveBytes, statistics.liveBytes)
        }

        /// Takes free buffers out until all together are within `slack` of the most that was in use.
        mutating func evict(slack: Int) -> [Buffer] {
            var evicted: [Buffer] = []
            while statistics.liveBytes + statistics.retainedBytes > mostLiveBytes + slack,
                let (size, oldest) = free.min(by: { $0.value.lastRequest < $1.value.lastRequest })
            {
                evicted += oldest.buffers.map { Buffer(address: $0, size: size) }
                statistics.retainedBytes -= size * oldest.buffers.count
                free[size] = nil
            }
            return evicted
        }
    }

    private struct Buffer {
        let address: UInt
        let size: Int

        func giveBack() {
            guard let pointer = UnsafeMutableRawPointer(bitPattern: address) else { return }
            SystemMemory.giveBack(pointer, size: size)
        }
    }

    /// The free buffers of one size.
    private struct Class {
        var buffers: [UInt] = []
        /// The number of the request that last took or gave one.
        var lastRequest = 0
    }

    private let state = Mutex(State())
    private let slack: Int

    /// - Parameter slack: bytes that free buffers may take beyond what was in use at once.
    public init(slack: Int) {
        self.slack = slack
    }

    public var statistics: Statistics { state.withLock { $0.statistics } }

    /// Starts a new peak measurement from the bytes that are live now.
    public func resetPeak() {
        state.withLock { $0.statistics.peakLiveBytes = $0.statistics.liveBytes }
    }

    /// Gives every free buffer back to the system.
    public func trim() {
        let buffers = state.withLock { state in
            let all = state.free.flatMap { size, kept in kept.buffers.map { Buffer(address: $0, size: size) } }
            for (size, kept) in state.free { state.statistics.retainedBytes -= size * kept.buffers.count }
            state.free.removeAll()
            return all
        }
        for buffer in buffers { buffer.giveBack() }
    }

    /// Runs `body`, in which very large buffers that are let go return to the system: for sizes that are seldom asked for.
    func givingBack<Result>(_ body: () -> Result) -> Result {
        state.withLock { $0.givingBack += 1 }
        defer { state.withLock { $0.givingBack -= 1 } }
        return body()
    }

    private static let veryLargeSize = 64 << 20

    /// The class size that serves a request, at least 64 bytes and at most a quarter more than asked.
    static func roundedSize(_ byteCount: Int) -> Int {
        guard byteCount > 256 else { return max(64, (byteCount + 63) & ~63) }
        let power = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount
        let step = 1 << max(power - 2, 6)
        return (byteCount + step - 1) & ~(step - 1)
    }

    func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let size = MemoryPool.roundedSize(byteCount)
        let reused: UInt? = state.withLock { state in
            state.statistics.requests += 1
            state.use(size)
            if let buffer = state.free[size]?.buffers.popLast() {
                state.free[size]?.lastRequest = state.statistics.requests
                state.statistics.retainedBytes -= size
                return buffer
            }
            state.statistics.systemAllocations += 1
            return nil
        }
        if let reused, let pointer = UnsafeMutableRawPointer(bitPattern: reused) { return pointer }
        return SystemMemory.allocate(size, used: byteCount)
    }

    func release(_ pointer: UnsafeMutableRawPointer, byteCount: Int) {
        let size = MemoryPool.roundedSize(byteCount)
        let released = state.withLock { state -> [Buffer] in
            state.statistics.liveBytes -= size
            guard state.givingBack == 0 || size < MemoryPool.veryLargeSize else {
                return [Buffer(address: UInt(bitPattern: pointer), size: size)]
            }
            state.free[size, default: Class()].buffers.append(UInt(bitPattern: pointer))
            state.free[size]?.lastRequest = state.statistics.requests
            state.statistics.retainedBytes += size
            return state.evict(slack: slack)
        }
        for buffer in released { buffer.giveBack() }
    }

    // MARK: Rooms, whose owners keep them

    /// A room from the system, kept for reuse while nothing of it is lent.
    func room(_ byteCount: Int) -> UnsafeMutableRawPointer {
        state.withLock { state in
            state.statistics.systemAllocations += 1
            state.statistics.retainedBytes += byteCount
        }
        return SystemMemory.allocate(byteCount, used: byteCount)
    }

    func dismantle(_ room: UnsafeMutableRawPointer, byteCount: Int) {
        state.withLock { $0.statistics.retainedBytes -= byteCount }
        SystemMemory.giveBack(room, size: byteCount)
    }

    /// Counts bytes of a room that are in use from now on.
    func lend(_ byteCount: Int) {
        state.withLock { state in
            state.statistics.retainedBytes -= byteCount
            state.use(byteCount)
        }
    }

    func takeBack(_ byteCount: Int) {
        state.withLock { state in
            state.statistics.retainedBytes += byteCount
            state.statistics.liveBytes -= byteCount
        }
    }
}
