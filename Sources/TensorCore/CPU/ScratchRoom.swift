/// Memory of one compute thread that kernels use one after another, as large as the largest of them needed.
///
/// The pool would keep a buffer of every size that was ever asked for: one for each shape of a network. What is lent
/// counts as live, the rest as kept for reuse.
final class ScratchRoom {
    private var memory: UnsafeMutableRawPointer?
    private var byteCount = 0
    private var isLent = false

    deinit { if let memory { MemoryPool.shared.dismantle(memory, byteCount: byteCount) } }

    /// Lends uninitialised bytes; a kernel within a kernel gets some of its own.
    func lend<Result>(_ count: Int, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
        guard !isLent else {
            let own = Tensor.empty([max(count, 1)], dtype: .uint8)
            defer { withExtendedLifetime(own) {} }
            return body(own.rawPointer)
        }
        let room = room(for: max(count, 64))
        isLent = true
        MemoryPool.shared.lend(count)
        defer {
            isLent = false
            MemoryPool.shared.takeBack(count)
        }
        return body(room)
    }

    private func room(for count: Int) -> UnsafeMutableRawPointer {
        if let memory {
            if byteCount >= count { return memory }
            MemoryPool.shared.dismantle(memory, byteCount: byteCount)
        }
        byteCount = MemoryPool.roundedSize(count)
        let made = MemoryPool.shared.room(byteCount)
        memory = made
        return made
    }
}
