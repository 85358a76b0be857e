extension Tensor {
    /// Uninitialised memory for a backend kernel to fill.
    static func empty(_ layout: Layout, dtype: DType = .float32) -> Tensor {
        Tensor(storage: Storage(byteCount: layout.count * dtype.byteCount), dtype: dtype, layout: layout)
    }

    static func empty(_ shape: [Int], dtype: DType = .float32) -> Tensor {
        empty(Layout(rowMajor: shape), dtype: dtype)
    }

    /// Memory of a result that lies in memory like `x`.
    static func empty(like x: Tensor, dtype: DType? = nil) -> Tensor {
        empty(Layout(shape: x.shape, order: x.layout.memoryOrder), dtype: dtype ?? x.dtype)
    }

    /// Copies elements in row-major order.
    public init<Scalar: TensorScalar>(_ elements: [Scalar], shape: [Int]? = nil) {
        let layout = Layout(rowMajor: shape ?? [elements.count])
        precondition(layout.count == elements.count, "\(elements.count) elements for shape \(layout.shape)")
        let storage = Storage(byteCount: layout.count * Scalar.dtype.byteCount)
        elements.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { storage.pointer.copyMemory(from: base, byteCount: bytes.count) }
        }
        self.init(storage: storage, dtype: Scalar.dtype, layout: layout)
    }

    /// A tensor of rank 0.
    public init(scalar: Float) { self.init([scalar], shape: []) }

    public static func full(_ value: Double, shape: [Int], dtype: DType = .float32) -> Tensor {
        CPUBackend.shared.full(value, shape: shape, dtype: dtype)
    }

    public static func zeros(_ shape: [Int], dtype: DType = .float32) -> Tensor {
        full(0, shape: shape, dtype: dtype)
    }

    public static func ones(_ shape: [Int], dtype: DType = .float32) -> Tensor {
        full(1, shape: shape, dtype: dtype)
    }

    /// `[0, 1, ..., count - 1]` as int64.
    public static func indices(_ count: Int) -> Tensor {
        Tensor((0..<Int64(max(count, 0))).map { $0 })
    }

    /// Whether the last two dimensions of `[rows, columns]` satisfy column <= row, as 1 or 0.
    public static func lowerTriangle(_ size: Int) -> Tensor {
        var elements = [Float](repeating: 0, count: size * size)
        for row in 0..<size { for column in 0...row { elements[row * size + column] = 1 } }
        return Tensor(elements, shape: [size, size])
    }
}
