#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension Tensor {
    /// The elements as float32 numbers in row-major order.
    public var floats: [Float] { array(of: Float.self) }

    /// The elements as int64 numbers in row-major order.
    public var integers: [Int64] { array(of: Int64.self) }

    /// The elements, converted to `Scalar`, in row-major order.
    public func array<Scalar: TensorScalar>(of type: Scalar.Type) -> [Scalar] {
        let x = onHost().converted(to: Scalar.dtype).contiguous()
        return x.withUnsafeBytes { bytes in Array(bytes.bindMemory(to: Scalar.self)) }
    }

    /// The only element of a tensor that has one.
    public var item: Float {
        precondition(count == 1, "item: shape \(shape) has \(count) elements")
        return floats[0]
    }

    /// Whether no element is infinite or NaN.
    public var isFinite: Bool { count == 0 || sum(detached.converted(to: .float32) * 0).item == 0 }

    /// Reads the bytes of a contiguous tensor in row-major order; what a device holds is copied first.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        guard storage.isOnHost else { return try onHost().withUnsafeBytes(body) }
        precondition(layout.isContiguous, "withUnsafeBytes: layout \(layout) is not contiguous")
        defer { withExtendedLifetime(storage) {} }
        let start = storage.pointer + layout.offset * dtype.byteCount
        return try body(UnsafeRawBufferPointer(start: start, count: count * dtype.byteCount))
    }

    /// Whether another tensor of the same shape has the same elements, bit for bit; false for what a device holds, unless
    /// it is the same memory.
    public func hasBits(of other: Tensor) -> Bool {
        precondition(shape == other.shape && dtype == other.dtype, "hasBits: \(self) and \(other)")
        if storage === other.storage && layout == other.layout { return true }
        guard storage.isOnHost && other.storage.isOnHost else { return false }
        return contiguous().withUnsafeBytes { own in
            other.contiguous().withUnsafeBytes { theirs in
                guard let a = own.baseAddress, let b = theirs.baseAddress else { return true }
                return memcmp(a, b, own.count) == 0
            }
        }
    }

    /// Makes a tensor whose bytes `body` writes, in row-major order.
    public static func filled(
        shape: [Int], dtype: DType, _ body: (UnsafeMutableRawBufferPointer) throws -> Void
    ) rethrows -> Tensor {
        let x = Tensor.empty(shape, dtype: dtype)
        try body(UnsafeMutableRawBufferPointer(start: x.storage.pointer, count: x.count * dtype.byteCount))
        return x
    }
}
