internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The memory behind one or more tensors: pooled, mapped from a file, made when first read, or on a device.
///
/// Its bytes never change after the operation that made it, which is why sharing it between threads is safe; this is
/// why it is `@unchecked Sendable`.
public final class Storage: @unchecked Sendable {
    public let byteCount: Int

    /// Whether the bytes are weights that outlive many calls, so a packed copy of them is worth keeping.
    public let isFrozen: Bool

    /// The backend that computes with this memory.
    public let backend: any Backend

    /// Whether `pointer` can be read here; what a device holds can be used by its backend only.
    package let isOnHost: Bool

    /// The first byte; of deferred memory, which is made now if it has not been.
    package var pointer: UnsafeMutableRawPointer { start ?? made().pointer }

    /// Nil for deferred memory.
    private let start: UnsafeMutableRawPointer?
    private let pool: MemoryPool?
    private let owner: AnyObject?
    /// Whether pages that are given back to the system come back from a file when they are read.
    private let isReloadable: Bool
    private let deferred: Deferred?

    private final class Deferred: Sendable {
        let make: @Sendable () -> Storage
        let kept = Mutex<Storage?>(nil)

        init(make: @escaping @Sendable () -> Storage) { self.make = make }
    }

    /// Takes uninitialised memory from a pool.
    public init(byteCount: Int, pool: MemoryPool = .shared, backend: any Backend = CPUBackend.shared) {
        self.byteCount = byteCount
        self.pool = pool
        self.owner = nil
        self.isFrozen = false
        self.isOnHost = true
        self.backend = backend
        self.isReloadable = false
        self.deferred = nil
        start = pool.allocate(byteCount)
    }

    /// Memory of a device, which lives as long as `owner`.
    package init(device pointer: UnsafeMutableRawPointer, byteCount: Int, backend: any Backend, owner: AnyObject) {
        self.byteCount = byteCount
        self.pool = nil
        self.owner = owner
        self.isFrozen = false
        self.isOnHost = false
        self.backend = backend
        self.isReloadable = false
        self.deferred = nil
        self.start = pointer
    }

    /// Shares read-only memory, such as a mapped file, that lives as long as `owner`.
    ///
    /// - Parameters:
    ///   - pointer: aligned for the elements that tensors over this storage will read.
    ///   - isReloadable: whether the memory is a file's, so that pages given back to the system come back unchanged.
    public init(mapped pointer: UnsafeRawPointer, byteCount: Int, owner: AnyObject, isReloadable: Bool = false) {
        self.byteCount = byteCount
        self.pool = nil
        self.owner = owner
        self.isFrozen = true
        self.isOnHost = true
        self.backend = CPUBackend.shared
        self.isReloadable = isReloadable
        self.deferred = nil
        self.start = UnsafeMutableRawPointer(mutating: pointer)
    }

    /// Weights that are made when they are first read, and perhaps never kept: `transient()` makes them for one use.
    ///
    /// - Parameter make: gives `byteCount` bytes, the same at each call.
    package init(deferred byteCount: Int, make: @escaping @Sendable () -> Storage) {
        self.byteCount = byteCount
        self.pool = nil
        self.owner = nil
        self.isFrozen = true
        self.isOnHost = true
        self.backend = CPUBackend.shared
        self.isReloadable = false
        self.deferred = Deferred(make: make)
        self.start = nil
    }

    private init(freezing other: Storage) {
        byteCount = other.byteCount
        pool = nil
        owner = other
        isFrozen = true
        isOnHost = other.isOnHost
        backend = other.backend
        isReloadable = other.isReloadable
        deferred = nil
        start = other.pointer
    }

    /// The same memory, marked as weights that outlive many calls.
    func frozen() -> Storage { isFrozen ? self : Storage(freezing: self) }

    /// The kept memory of a deferred storage, made by the first who asks.
    private func made() -> Storage {
        guard let deferred else { preconditionFailure("storage without memory") }
        return deferred.kept.withLock { kept in
            if let kept { return kept }
            let made = deferred.make()
            precondition(made.byteCount == byteCount, "deferred: \(made.byteCount) bytes, not \(byteCount)")
            kept = made
            return made
        }
    }

    /// The same bytes for one use: of deferred weights that nobody keeps, a copy that goes when it is let go.
    package func transient() -> Storage {
        guard let deferred else { return self }
        return deferred.kept.withLock { $0 } ?? deferred.make()
    }

    /// Tells the system that the bytes will hardly be read again: the pages of a mapped file are given back, and are read
    /// from the file again if need be. Does nothing for other memory.
    package func dropPages() {
        guard isReloadable, let start else { return }
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        // Whole pages only: the edges are shared with neighbours.
        let first = (UInt(bitPattern: start) + page - 1) / page * page
        let end = (UInt(bitPattern: start) + UInt(byteCount)) / page * page
        guard end > first, let address = UnsafeMutableRawPointer(bitPattern: first) else { return }
        madvise(address, Int(end - first), Int32(MADV_DONTNEED))
    }

    deinit {
        backend.forget(self)
        if let start { pool?.release(start, byteCount: byteCount) }
    }
}
