public import TensorCore

/// Rows of tokens for one call of a language model, of one length: shorter texts are padded on the left.
public struct TokenBatch: Sendable {
    /// `[batch, tokens]`, int64.
    public let ids: Tensor
    /// How many tokens at the left of each row are padding: they take no part and have no position.
    public let padding: [Int]

    /// Rows of equal or different length.
    ///
    /// - Parameter padToken: what fills short rows on the left.
    public init(_ rows: [[Int]], padToken: Int = 0) {
        precondition(
            !rows.isEmpty && rows.allSatisfy { !$0.isEmpty }, "TokenBatch: \(rows.count) rows, or an empty one")
        let length = rows.map(\.count).max() ?? 0
        padding = rows.map { length - $0.count }
        let ids = rows.flatMap { row in [Int](repeating: padToken, count: length - row.count) + row }
        self.ids = Tensor(ids.map { Int64($0) }, shape: [rows.count, length])
    }

    /// - Parameter ids: `[batch, tokens]`, without padding.
    public init(_ ids: Tensor) {
        precondition(ids.rank == 2, "TokenBatch: shape \(ids.shape)")
        self.ids = ids
        padding = [Int](repeating: 0, count: ids.size(0))
    }

    public var rows: Int { ids.size(0) }
    public var length: Int { ids.size(1) }
}
