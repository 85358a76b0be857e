/// The rank of a slider's changes: a number, or `full` for changes of whole weights.
///
/// Whole weights are the ablation of Concept Sliders (arXiv 2311.12092, section 5.4): without the low-rank constraint a
/// slider changes more than its concept.
public struct SliderRank: Codable, Sendable, Hashable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    /// Nil for whole weights.
    public var value: Int?

    public init(_ value: Int?) { self.value = value }

    public init(integerLiteral value: Int) { self.value = value }

    public static let full = SliderRank(nil)

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int.self) {
            value = number
            return
        }
        guard try container.decode(String.self) == "full" else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a whole number or full")
        }
        value = nil
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let value { try container.encode(value) } else { try container.encode("full") }
    }

    public var description: String { value.map(String.init) ?? "full" }
}
