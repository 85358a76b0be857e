extension DType {
    /// Whether numbers come in blocks, each with a scale of its own.
    public var isQuantized: Bool { blockBytes != nil }

    /// How many numbers share a block; 1 for the types of single elements.
    public var blockCount: Int {
        switch self {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
        case .q4_K, .q5_K, .q6_K: 256
        default: 1
        }
    }

    /// The bytes of a block; nil for the types of single elements.
    private var blockBytes: Int? {
        switch self {
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        default: nil
        }
    }

    /// The bytes of `count` numbers, which fill whole blocks.
    public func byteCount(of count: Int) -> Int {
        guard let blockBytes else { return count * byteCount }
        precondition(count % blockCount == 0, "\(count) numbers in blocks of \(blockCount)")
        return count / blockCount * blockBytes
    }
}

extension Tensor {
    /// The rows of a quantised matrix in another order, still quantised: `result[i] = self[order[i]]`.
    ///
    /// A block never spans two rows, so rows move as bytes.
    public func withRows(_ order: [Int]) -> Tensor {
        precondition(rank == 2 && layout.isContiguous && layout.offset == 0, "withRows: \(layout)")
        let rowBytes = dtype.byteCount(of: size(1))
        precondition(order.allSatisfy { $0 >= 0 && $0 < size(0) }, "withRows: a row beyond \(size(0))")
        let bytes = Storage(byteCount: order.count * rowBytes)
        for (place, row) in order.enumerated() {
            (bytes.pointer + place * rowBytes).copyMemory(from: storage.pointer + row * rowBytes, byteCount: rowBytes)
        }
        return Tensor(storage: bytes, dtype: dtype, layout: Layout(rowMajor: [order.count, size(1)])).frozen()
    }
}
