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
        let (length, count) = (length, more.size(1))
        if let room {
            let isNewest = room.filled.withLock { filled in
                guard filled == length, length + count <= room.capacity else { return false }
                filled = length + count
                return true
            }
            if isNewest { return written(more, at: length, of: room, over: tensor) }
        }
        // Room for half as much again, and for a good many tokens.
        let capacity = max((length + count) * 3 / 2, length + count + 64)
        let room = Room(capacity: capacity, filled: length + count)
        let whole = Tensor.empty([tensor.size(0), capacity] + tensor.shape.dropFirst(2))
        return written(tensor, at: 0, of: room, over: whole).written(more, at: length, of: room, over: whole)
    }

    /// Copies `part` into memory that nothing shows yet.
    private func written(_ part: Tensor, at start: Int, of room: Room, over base: Tensor) -> GrowingTensor {
        let part = part.contiguous()
        let inner = part.shape.dropFirst(2).reduce(1, *) * part.dtype.byteCount
        let bytes = part.size(1) * inner
        for row in 0..<part.size(0) where bytes > 0 {
            let target = base.storage.pointer + (row * room.capacity + start) * inner
            target.copyMemory(from: part.rawPointer + row * bytes, byteCount: bytes)
        }
        withExtendedLifetime((part, base)) {}
        let shape = [part.size(0), start + part.size(1)] + part.shape.dropFirst(2)
        let whole = Layout.rowMajorStrides([part.size(0), room.capacity] + part.shape.dropFirst(2))
        return GrowingTensor(
            Tensor(storage: base.storage, dtype: base.dtype, layout: Layout(shape: shape, strides: whole)), room)
    }
}
