public import TensorCore

extension SafetensorsDType {
    /// The type to compute with, or nil for one that this package only recognises.
    public var dtype: DType? {
        switch self {
        case .f32: .float32
        case .bf16: .bfloat16
        case .f16: .float16
        case .i32: .int32
        case .i64: .int64
        case .u8: .uint8
        case .bool: .bool
        default: nil
        }
    }

    public init(_ dtype: DType) {
        switch dtype {
        case .float32: self = .f32
        case .bfloat16: self = .bf16
        case .float16: self = .f16
        case .int32: self = .i32
        case .int64: self = .i64
        case .uint8: self = .u8
        case .bool: self = .bool
        default: preconditionFailure("safetensors have no \(dtype)")
        }
    }
}

extension SafetensorsFile {
    /// A tensor of the file as it is stored, or nil when there is none of that name.
    ///
    /// Its memory is the mapped file, except where the data does not begin at a multiple of the element's size (the
    /// format allows that) or where a Boolean is stored as something other than 0 and 1: those are copied.
    ///
    /// - Throws: `SafetensorsError` when the dtype is not one to compute with.
    public func tensor(_ name: String) throws(SafetensorsError) -> Tensor? {
        guard let entry = header[name] else { return nil }
        guard let dtype = entry.dtype.dtype else {
            throw SafetensorsError(
                .dtype, path: path, place: "tensor \(quoted(name))",
                expected: "one of F32, BF16, F16, I32, I64, U8 and BOOL", found: entry.dtype.rawValue)
        }
        let bytes = bytes(of: entry)
        guard let start = bytes.baseAddress else { return nil }
        if dtype == .bool, bytes.contains(where: { $0 > 1 }) {
            return Tensor(bytes.map { $0 != 0 }, shape: entry.shape).frozen()
        }
        guard Int(bitPattern: start).isMultiple(of: dtype.byteCount) else {
            return Tensor.filled(shape: entry.shape, dtype: dtype) { $0.copyMemory(from: bytes) }.frozen()
        }
        // One storage a tensor: packed copies are cached by storage and forgotten with it.
        let storage = Storage(
            mapped: start, byteCount: bytes.count, owner: mapping, isReloadable: mapping.isFile)
        return Tensor(storage: storage, dtype: dtype, layout: Layout(rowMajor: entry.shape))
    }

    /// Every tensor of the file by its name.
    public func tensors() throws(SafetensorsError) -> [String: Tensor] {
        var tensors: [String: Tensor] = [:]
        for name in names { tensors[name] = try tensor(name) }
        return tensors
    }
}

extension SafetensorsItem {
    /// - Parameters:
    ///   - floatingPoint: the type to store floating-point numbers as; nil keeps the tensor's own.
    ///   - path: of the file, for messages.
    ///
    /// Where a finite number is too large for the type, the bytes are refused with a `SafetensorsError`.
    public init(name: String, tensor: Tensor, floatingPoint: DType? = nil, path: String = "tensors") {
        let tensor = tensor.detached
        let dtype =
            tensor.dtype.isFloatingPoint
            ? floatingPoint ?? (tensor.dtype.isQuantized ? .float32 : tensor.dtype) : tensor.dtype
        self.init(name: name, dtype: SafetensorsDType(dtype), shape: tensor.shape) { body in
            guard tensor.count > 0 else { return }
            let converted = tensor.converted(to: dtype).contiguous()
            guard !Self.isOverflow(converted, of: tensor) else {
                throw SafetensorsError(
                    .dtype, path: path, place: "tensor \(quoted(name))",
                    expected: "numbers that \(SafetensorsDType(dtype).rawValue) can hold"
                        + (dtype == .float16 ? ", at most 65504" : ""),
                    found: "larger ones; nothing was written")
            }
            try converted.withUnsafeBytes { try body($0) }
        }
    }

    /// Whether finite numbers became infinite in a narrower type.
    private static func isOverflow(_ converted: Tensor, of tensor: Tensor) -> Bool {
        guard converted.dtype != tensor.dtype, [.float16, .bfloat16].contains(converted.dtype) else { return false }
        return !converted.isFinite && tensor.isFinite
    }
}

/// Writes tensors by name to a safetensors file, or leaves the old one untouched.
///
/// - Parameter floatingPoint: the type to store floating-point tensors as; nil keeps each one's own.
/// - Throws: as `writeSafetensors` of items does.
public func writeSafetensors(
    _ tensors: [String: Tensor], floatingPoint: DType? = nil, metadata: [String: String] = [:], to path: String
) throws {
    let items = tensors.map { name, tensor in
        SafetensorsItem(name: name, tensor: tensor, floatingPoint: floatingPoint, path: path)
    }
    try writeSafetensors(items, metadata: metadata, to: path)
}
