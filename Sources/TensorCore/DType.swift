/// The element type of a tensor.
///
/// The last eight hold numbers in blocks of a few bits each, as GGUF files do: for frozen weights only, which `linear`
/// and `embedding` read as they are and `converted(to:)` widens.
public enum DType: String, Sendable, Hashable, CaseIterable, Codable {
    case float32, bfloat16, float16, int32, int64, uint8, bool
    // The formats' own spelling.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q4_0, q4_1, q5_0, q5_1, q8_0, q4_K, q5_K, q6_K

    /// The types of single elements; `quantized` has the others.
    public static let allCases: [DType] = [.float32, .bfloat16, .float16, .int32, .int64, .uint8, .bool]

    /// The types of blocks.
    public static let quantized: [DType] = [.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K, .q5_K, .q6_K]

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .int64: 8
        case .float32, .int32: 4
        case .bfloat16, .float16: 2
        case .uint8, .bool: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K, .q5_K, .q6_K:
            preconditionFailure("an element of \(self) has no bytes of its own")
        }
    }

    /// Whether elements are numbers with a fraction; those of blocks are.
    public var isFloatingPoint: Bool {
        switch self {
        case .int32, .int64, .uint8, .bool: false
        default: true
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
