/// One value of a GGUF file's metadata.
public enum GGUFValue: Sendable, Equatable {
    case integer(Int64)
    /// Beyond the range of `integer`.
    case large(UInt64)
    case number(Double)
    case boolean(Bool)
    case string(String)
    case integers([Int64])
    case numbers([Float])
    case booleans([Bool])
    case strings([String])

    /// A single value as text; nil for a list.
    public var text: String? {
        switch self {
        case .integer(let integer): "\(integer)"
        case .large(let integer): "\(integer)"
        case .number(let number): "\(number)"
        case .boolean(let boolean): "\(boolean)"
        case .string(let string): string
        case .integers, .numbers, .booleans, .strings: nil
        }
    }

    /// What it is, for messages.
    var kind: String {
        switch self {
        case .integer, .large: "an integer"
        case .number: "a number"
        case .boolean: "a Boolean"
        case .string: "a string"
        case .integers: "integers"
        case .numbers: "numbers"
        case .booleans: "Booleans"
        case .strings: "strings"
        }
    }
}

/// How numbers of a GGUF tensor are stored, by the format's own numbering.
enum GGUFType: UInt32 {
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q5_0 = 6, q5_1 = 7, q8_0 = 8, q4_K = 12, q5_K = 13, q6_K = 14
    case i32 = 26, i64 = 27, bf16 = 30

    /// The names of all types of the format, for messages.
    static let names: [UInt32: String] = [
        9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
        20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 28: "F64", 29: "IQ1_M", 34: "TQ1_0",
        35: "TQ2_0", 39: "MXFP4",
    ]
}
