import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Reuses buffers, because a fresh large buffer costs several times the operation that fills it (page faults).
///
/// Sizes are rounded up to four classes per power of two, so a freed buffer serves later requests of similar size.
/// Free buffers are kept up to `retainedByteLimit`; beyond it they go back to the system.
public final class MemoryPool: Sendable {
    public static let shared = MemoryPool(retainedByteLimit: 3 << 30)

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
        var free: [Int: [UInt]] = [:]
        /// Calls of `givingBack` that run.
        var givingBack = 0
        var statistics = Statistics()
    }

    private let state = Mutex(State())
    private let retainedByteLimit: Int

    public init(retainedByteLimit: Int) {
        self.retainedByteLimit = retainedByteLimit
    }

    public var statistics: Statistics { state.withLock { $0.statistics } }

    /// Starts a new peak measurement from the bytes that are live now.
    public func resetPeak() {
        state.withLock { $0.statistics.peakLiveBytes = $0.statistics.liveBytes }
    }

    /// Gives every free buffer back to the system.
    public func trim() {
        let buffers = state.withLock { state in
            let all = state.free.values.flatMap { $0 }
            state.free.removeAll()
            state.statistics.retainedBytes = 0
            return all
        }
        for buffer in buffers { free(UnsafeMutableRawPointer(bitPattern: buffer)) }
    }

    /// Runs `body`, in which very large buffers that are let go return to the system: for sizes that are seldom asked for.
    func givingBack<Result>(_ body: () -> Result) -> Result {
        state.withLock { $0.givingBack += 1 }
        defer { state.withLock { $0.givingBack -= 1 } }
        return body()
    }

    private static let veryLargeSize = 32 << 20

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
            state.statistics.liveBytes += size
            state.statistics.peakLiveBytes = max(state.statistics.peakLiveBytes, state.statistics.liveBytes)
            if let buffer = state.free[size]?.popLast() {
                state.statistics.retainedBytes -= size
                return buffer
            }
            state.statistics.systemAllocations += 1
            return nil
        }
        if let reused, let pointer = UnsafeMutableRawPointer(bitPattern: reused) { return pointer }
        return MemoryPool.systemAllocate(size)
    }

    func release(_ pointer: UnsafeMutableRawPointer, byteCount: Int) {
        let size = MemoryPool.roundedSize(byteCount)
        let keep = state.withLock { state in
            state.statistics.liveBytes -= size
            let isKept = state.givingBack == 0 || size < MemoryPool.veryLargeSize
            guard isKept, state.statistics.retainedBytes + size <= retainedByteLimit else { return false }
            state.free[size, default: []].append(UInt(bitPattern: pointer))
            state.statistics.retainedBytes += size
            return true
        }
        if !keep { free(pointer) }
    }

    private static func systemAllocate(_ size: Int) -> UnsafeMutableRawPointer {
        let isLarge = size >= 4 << 20
        var pointer: UnsafeMutableRawPointer?
        let status = posix_memalign(&pointer, isLarge ? 2 << 20 : 64, size)
        guard status == 0, let pointer else {
            preconditionFailure("out of memory: \(size) bytes could not be allocated")
        }
        #if os(Linux)
            if isLarge { madvise(pointer, size, Int32(MADV_HUGEPAGE)) }
        #endif
        return pointer
    }
}
