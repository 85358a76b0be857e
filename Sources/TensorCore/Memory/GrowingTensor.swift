import Synchronization

/// A tensor that grows along its second dimension, such as the keys of the tokens so far.
///
/// It is a value: growing gives another one, and what this one shows stays. The memory behind has room for more, and the
/// newest value writes into that room, so a token costs its own bytes and not those of all tokens before it; an older
/// value that grows again copies what it shows.
public struct GrowingTensor: Sendable {
    /// What has been gathered so far: `[batch, length, ...]`.
    public let tensor: Tensor
    private let room: Room?

    /// How much of a storage is written.
    private final class Room: Sendable {
        let capacity: Int
        let filled: Mutex<Int>

        init(capacity: Int, filled: Int) {
            self.capacity = capacity
            self.filled = Mutex(filled)
        }
    }

    public init(_ tensor: Tensor) {
        self.tensor = tensor
        room = nil
    }

    private init(_ tensor: Tensor, _ room: Room) {
        self.tensor = tensor
        self.room = room
    }

    public var length: Int { tensor.size(1) }

    /// These numbers and then those of `more`: `[batch, count, ...]`. Tracked tensors are joined with their
    /// history, and those of a device by its backend.
    public func appending(_ more: Tensor) -> GrowingTensor {
        let isWritable = tensor.storage.isOnHost && more.storage.isOnHost && !tensor.isTracked && !more.isTracked
        if !isWritable { return GrowingTensor(concatenated([tensor, more], axis: 1)) }
        let grown = growing(by: more.size(1))
        grown.write(more, at: length)
        return grown
    }

    /// These numbers and then room for `count` more along the second dimension, which the caller fills before anything
    /// reads them. For tensors of this machine's memory without a history.
    func growing(by count: Int) -> GrowingTensor {
        let whole = length + count
        if let room {
            let isNewest = room.filled.withLock { filled in
                guard filled == length, whole <= room.capacity else { return false }
                filled = whole
                return true
            }
            if isNewest { return showing(whole, of: room, in: tensor.storage) }
        }
        // Room for half as much again, and for a good many tokens.
        let room = Room(capacity: max(whole * 3 / 2, whole + 64), filled: whole)
        let memory = Tensor.empty([tensor.size(0), room.capacity] + tensor.shape.dropFirst(2), dtype: tensor.dtype)
        let grown = showing(whole, of: room, in: memory.storage)
        grown.write(tensor, at: 0)
        return grown
    }

    private func showing(_ length: Int, of room: Room, in storage: Storage) -> GrowingTensor {
        let inner = tensor.shape.dropFirst(2)
        let strides = Layout.rowMajorStrides([tensor.size(0), room.capacity] + inner)
        let layout = Layout(shape: [tensor.size(0), length] + inner, strides: strides)
        return GrowingTensor(Tensor(storage: storage, dtype: tensor.dtype, layout: layout), room)
    }

    /// Copies `part` into memory that nothing shows yet.
    private func write(_ part: Tensor, at start: Int) {
        let part = part.contiguous()
        let inner = part.shape.dropFirst(2).reduce(1, *) * part.dtype.byteCount
        let bytes = part.size(1) * inner
        for row in 0..<part.size(0) where bytes > 0 {
            let target = tensor.storage.pointer + (row * (room?.capacity ?? 0) + start) * inner
            target.copyMemory(from: part.rawPointer + row * bytes, byteCount: bytes)
        }
        withExtendedLifetime(part) {}
    }
}
