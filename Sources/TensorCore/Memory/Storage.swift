/// The memory behind one or more tensors: pooled, mapped from a file, or on a device.
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

    package let pointer: UnsafeMutableRawPointer
    private let pool: MemoryPool?
    private let owner: AnyObject?

    /// Takes uninitialised memory from a pool.
    public init(byteCount: Int, pool: MemoryPool = .shared, backend: any Backend = CPUBackend.shared) {
        self.byteCount = byteCount
        self.pool = pool
        self.owner = nil
        self.isFrozen = false
        self.isOnHost = true
        self.backend = backend
        pointer = pool.allocate(byteCount)
    }

    /// Memory of a device, which lives as long as `owner`.
    package init(device pointer: UnsafeMutableRawPointer, byteCount: Int, backend: any Backend, owner: AnyObject) {
        self.byteCount = byteCount
        self.pool = nil
        self.owner = owner
        self.isFrozen = false
        self.isOnHost = false
        self.backend = backend
        self.pointer = pointer
    }

    /// Shares read-only memory, such as a mapped file, that lives as long as `owner`.
    ///
    /// - Parameter pointer: aligned for the elements that tensors over this storage will read.
    public init(mapped pointer: UnsafeRawPointer, byteCount: Int, owner: AnyObject) {
        self.byteCount = byteCount
        self.pool = nil
        self.owner = owner
        self.isFrozen = true
        self.isOnHost = true
        self.backend = CPUBackend.shared
        self.pointer = UnsafeMutableRawPointer(mutating: pointer)
    }

    private init(freezing other: Storage) {
        byteCount = other.byteCount
        pool = nil
        owner = other
        isFrozen = true
        isOnHost = other.isOnHost
        backend = other.backend
        pointer = other.pointer
    }

    /// The same memory, marked as weights that outlive many calls.
    func frozen() -> Storage { isFrozen ? self : Storage(freezing: self) }

    deinit {
        backend.forget(self)
        pool?.release(pointer, byteCount: byteCount)
    }
}
