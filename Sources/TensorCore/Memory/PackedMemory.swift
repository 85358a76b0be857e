import Synchronization

/// Memory for packed weights. They are read from end to end again and again, so many small forms share pieces of memory
/// that are large enough for huge pages: those are cleared at once, and a processor finds and fetches them faster.
final class PackedMemory: Sendable {
    private struct State: Sendable {
        var piece: Storage?
        var used = 0
    }

    private let state = Mutex(State())

    private static let (smallestPiece, largestPiece) = (4 << 20, 32 << 20)

    /// Uninitialised bytes, which go back when nothing in their piece is used any more.
    func empty(_ byteCount: Int) -> Tensor {
        let layout = Layout(rowMajor: [byteCount])
        guard (1..<Self.smallestPiece).contains(byteCount) else { return Tensor.empty([byteCount], dtype: .uint8) }
        return state.withLock { state in
            var piece = state.piece
            if piece.map({ state.used + byteCount > $0.byteCount }) ?? true {
                let size = min(max(2 * (piece?.byteCount ?? 0), Self.smallestPiece), Self.largestPiece)
                piece = Storage(byteCount: size)
                state.used = 0
            }
            guard let piece else { preconditionFailure("no piece for \(byteCount) bytes") }
            let storage = Storage(mapped: piece.pointer + state.used, byteCount: byteCount, owner: piece)
            state.piece = piece
            state.used += (byteCount + 63) & ~63
            return Tensor(storage: storage, dtype: .uint8, layout: layout)
        }
    }
}
