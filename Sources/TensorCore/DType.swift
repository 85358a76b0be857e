/// The element type of a tensor.
public enum DType: String, Sendable, Hashable, CaseIterable, Codable {
    case float32, bfloat16, float16, int32, int64, uint8, bool

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .int64: 8
        case .float32, .int32: 4
        case .bfloat16, .float16: 2
        case .uint8, .bool: 1
        }
    }

    public var isFloatingPoint: Bool {
        switch self {
        case .float32, .bfloat16, .float16: true
        case .int32, .int64, .uint8, .bool: false
        }
    }
}

/// A Swift scalar that can be an element of a tensor.
public protocol TensorScalar: Sendable {
    static var dtype: DType { get }
}

extension Float: TensorScalar { public static var dtype: DType { .float32 } }
extension Int32: TensorScalar { public static var dtype: DType { .int32 } }
extension Int64: TensorScalar { public static var dtype: DType { .int64 } }
extension UInt8: TensorScalar { public static var dtype: DType { .uint8 } }
extension Bool: TensorScalar { public static var dtype: DType { .bool } }
#if !(os(macOS) && arch(x86_64))
    extension Float16: TensorScalar { public static var dtype: DType { .float16 } }
#endif
