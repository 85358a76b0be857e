internal import Synchronization

/// Memory of the GPU that one tensor holds; it goes back to its pool when the tensor is gone.
final class DeviceBuffer: Sendable {
    let address: UInt64
    private let byteCount: Int
    private let pool: DeviceMemory

    init(byteCount: Int, pool: DeviceMemory) {
        self.byteCount = byteCount
        self.pool = pool
        address = pool.allocate(byteCount)
    }

    deinit { pool.release(address, byteCount: byteCount) }
}

/// Reuses memory of the GPU: asking the driver costs more than most kernels.
///
/// All kernels run in one stream, so memory that one kernel reads may be handed to a later one at once. Sizes are rounded
/// up to eight classes per power of two. When the driver has no more, what is free is given back and asked for again.
final class DeviceMemory: Sendable {
    private struct State: ~Copyable {
        var free: [Int: [UInt64]] = [:]
        var live = 0
        var peak = 0
        var reserved = 0
    }

    private let state = Mutex(State())
    private let driver: Driver
    private let context: DeviceContext

    init(driver: Driver, context: DeviceContext) {
        self.driver = driver
        self.context = context
    }

    /// Bytes in use now, at most since `resetPeak`, and taken from the driver.
    var statistics: (live: Int, peak: Int, reserved: Int) {
        state.withLock { ($0.live, $0.peak, $0.reserved) }
    }

    func resetPeak() { state.withLock { $0.peak = $0.live } }

    static func roundedSize(_ byteCount: Int) -> Int {
        guard byteCount > 4096 else { return max(512, (byteCount + 511) & ~511) }
        let power = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount
        let step = max(1 << (power - 3), 512)
        return (byteCount + step - 1) & ~(step - 1)
    }

    func allocate(_ byteCount: Int) -> UInt64 {
        let size = DeviceMemory.roundedSize(byteCount)
        let reused: UInt64? = state.withLock { state in
            state.live += size
            state.peak = max(state.peak, state.live)
            return state.free[size]?.popLast()
        }
        if let reused { return reused }
        context.makeCurrent(driver)
        var address: UInt64 = 0
        var status = driver.cuMemAlloc(&address, size)
        if status == Driver.outOfMemory {
            trim()
            status = driver.cuMemAlloc(&address, size)
        }
        if status == Driver.outOfMemory {
            var (free, total) = (0, 0)
            _ = driver.cuMemGetInfo(&free, &total)
            CUDAFailure.fail(.outOfMemory(asked: size, free: free, total: total))
        }
        driver.require(status, "cuMemAlloc of \(size) bytes")
        state.withLock { $0.reserved += size }
        return address
    }

    func release(_ address: UInt64, byteCount: Int) {
        let size = DeviceMemory.roundedSize(byteCount)
        state.withLock { state in
            state.live -= size
            state.free[size, default: []].append(address)
        }
    }

    /// Gives what is free back to the driver.
    func trim() {
        let all = state.withLock { state in
            let all = state.free
            state.free = [:]
            for (size, addresses) in all { state.reserved -= size * addresses.count }
            return all
        }
        context.makeCurrent(driver)
        // The driver waits for kernels that still use the memory.
        for address in all.values.joined() { _ = driver.cuMemFree(address) }
    }
}

/// The context of a device, which each thread makes current before it calls the driver.
struct DeviceContext: Sendable {
    let context: SharedHandle

    func makeCurrent(_ driver: Driver) {
        driver.require(driver.cuCtxSetCurrent(context.handle), "cuCtxSetCurrent")
    }
}
