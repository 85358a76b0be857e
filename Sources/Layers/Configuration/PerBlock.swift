/// A setting that a configuration gives once for all blocks, or once for each.
public enum PerBlock<Value: Codable & Sendable & Hashable>: Codable, Sendable, Hashable {
    case all(Value)
    case each([Value])

    /// The setting of each of `count` blocks.
    ///
    /// - Throws: `ConfigurationError` when the list has another length.
    public func values(_ count: Int, key: String) throws -> [Value] {
        switch self {
        case .all(let value): return [Value](repeating: value, count: count)
        case .each(let values):
            guard values.count == count else {
                throw ConfigurationError(key: key, expected: "\(count) values, one a block", found: "\(values)")
            }
            return values
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Value.self) {
            self = .all(value)
        } else if let values = try? container.decode([Value].self) {
            self = .each(values)
        } else {
            throw DecodingError.typeMismatch(
                Self.self,
                DecodingError.Context(
                    codingPath: decoder.codingPath,
                    debugDescription: "neither one \(Value.self) nor a list with one for each block"))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .all(let value): try container.encode(value)
        case .each(let values): try container.encode(values)
        }
    }
}

extension PerBlock: ExpressibleByIntegerLiteral where Value == Int {
    public init(integerLiteral value: Int) { self = .all(value) }
}

extension PerBlock: ExpressibleByBooleanLiteral where Value == Bool {
    public init(booleanLiteral value: Bool) { self = .all(value) }
}

extension PerBlock: ExpressibleByArrayLiteral {
    public init(arrayLiteral values: Value...) { self = .each(values) }
}
