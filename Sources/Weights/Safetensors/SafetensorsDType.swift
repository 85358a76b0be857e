/// The element types of the safetensors format; the raw value is the spelling in the header.
///
/// The order of the cases is the one in which the reference library (`safetensors` 0.8, `tensor.rs`) ranks them:
/// a file stores its tensors from the last case to the first, so that wide elements come first and stay aligned.
public enum SafetensorsDType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case f4 = "F4"
    case f6e2m3 = "F6_E2M3"
    case f6e3m2 = "F6_E3M2"
    case u8 = "U8"
    case i8 = "I8"
    case f8e5m2 = "F8_E5M2"
    case f8e4m3 = "F8_E4M3"
    case f8e8m0 = "F8_E8M0"
    case f8e4m3fnuz = "F8_E4M3FNUZ"
    case f8e5m2fnuz = "F8_E5M2FNUZ"
    case i16 = "I16"
    case u16 = "U16"
    case f16 = "F16"
    case bf16 = "BF16"
    case i32 = "I32"
    case u32 = "U32"
    case f32 = "F32"
    case c64 = "C64"
    case f64 = "F64"
    case i64 = "I64"
    case u64 = "U64"

    /// Bits of one element; types of 4 and 6 bits are packed.
    public var bitCount: Int {
        switch self {
        case .f4: 4
        case .f6e2m3, .f6e3m2: 6
        case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
        case .i16, .u16, .f16, .bf16: 16
        case .i32, .u32, .f32: 32
        case .c64, .f64, .i64, .u64: 64
        }
    }

    /// Place in the reference library's ranking.
    var rank: Int { Self.ranks[self] ?? 0 }

    private static let ranks = Dictionary(uniqueKeysWithValues: zip(allCases, 0...))

    /// Bytes of a tensor of this type.
    ///
    ///     byteCount = product(shape) * bitCount / 8
    ///
    /// - Returns: nil when a dimension is negative, when the bits are no whole bytes, or when the product overflows.
    ///   A zero counts as one in the overflow check, so that strides computed from the shape cannot overflow either.
    public func byteCount(ofShape shape: [Int]) -> Int? {
        var elements = 1
        var isEmpty = false
        for dimension in shape {
            guard dimension >= 0 else { return nil }
            if dimension == 0 {
                isEmpty = true
                continue
            }
            let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
            guard !overflow else { return nil }
            elements = product
        }
        let (bits, overflow) = elements.multipliedReportingOverflow(by: bitCount)
        guard !overflow else { return nil }
        guard !isEmpty else { return 0 }
        return bits.isMultiple(of: 8) ? bits / 8 : nil
    }
}
