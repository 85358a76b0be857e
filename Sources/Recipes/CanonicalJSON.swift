public import Foundation

/// The one JSON text of a value: what its hash is taken of.
///
/// Keys in the order of their UTF-8 bytes, no white space, numbers as the shortest text that reads back as the same
/// number (whole ones without a point), only the characters escaped that must be. Equal values give equal bytes
/// on every machine.
/// - Throws: `RecipeError` for values that JSON cannot hold, such as infinities.
public func canonicalJSON(of value: some Encodable) throws -> Data {
    do {
        let tree = try JSONDecoder().decode(JSONTree.self, from: JSONEncoder().encode(value))
        var text = ""
        tree.write(to: &text)
        return Data(text.utf8)
    } catch let EncodingError.invalidValue(value, context) {
        let key = context.codingPath.map(\.stringValue).joined(separator: ".")
        throw RecipeError(path: "recipe", key: key, expected: "a value that JSON can hold", found: "\(value)")
    }
}

/// The SHA-256 of a value's canonical JSON.
public func canonicalHash(of value: some Encodable) throws -> String {
    sha256Hex(of: try canonicalJSON(of: value))
}

/// JSON as it is read back from the encoder, whose own order and spelling are not promised to stay.
private enum JSONTree: Decodable {
    case null
    case boolean(Bool)
    case whole(Int)
    case large(UInt64)
    case number(Double)
    case text(String)
    case list([JSONTree])
    case table([String: JSONTree])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int.self) {
            self = .whole(value)
        } else if let value = try? container.decode(UInt64.self) {
            self = .large(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSONTree].self) {
            self = .list(value)
        } else {
            self = .table(try container.decode([String: JSONTree].self))
        }
    }

    func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .boolean(let value): text += value ? "true" : "false"
        case .whole(let value): text += "\(value)"
        case .large(let value): text += "\(value)"
        case .number(let value): text += "\(value)"
        case .text(let value): Self.write(value, to: &text)
        case .list(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .table(let values):
            text += "{"
            let sorted = values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            for (index, (key, value)) in sorted.enumerated() {
                if index > 0 { text += "," }
                Self.write(key, to: &text)
                text += ":"
                value.write(to: &text)
            }
            text += "}"
        }
    }

    private static func write(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
