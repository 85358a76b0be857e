import Foundation

/// The text that A1111 and its kin write into pictures, under the keyword `parameters`.
///
///     prompt, on any number of lines
///     Negative prompt: what to avoid
///     Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512
///
/// Values with a comma, a colon or a line break are JSON strings. A last line with fewer than three fields belongs to the
/// prompt. Follows A1111's `infotext_utils.py`, parse_generation_parameters.
public struct Infotext: Sendable, Equatable {
    public struct Field: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public var prompt: String
    public var negativePrompt: String?
    public var fields: [Field]

    public init(prompt: String, negativePrompt: String? = nil, fields: [Field] = []) {
        self.prompt = prompt
        self.negativePrompt = negativePrompt
        self.fields = fields
    }

    public subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    // MARK: Reading

    private static let negativePrefix = "Negative prompt:"

    public init(parsing text: String) {
        var lines = text.trimmingCharacters(in: .whitespacesAndNewlines).split(
            separator: "\n", omittingEmptySubsequences: false
        ).map(String.init)
        fields = lines.last.map(Self.fields(of:)) ?? []
        if fields.count < 3 { fields = [] } else { lines.removeLast() }
        var positive: [String] = []
        var negative: [String]?
        for line in lines.map({ $0.trimmingCharacters(in: .whitespaces) }) {
            if line.hasPrefix(Self.negativePrefix) {
                negative = [line.dropFirst(Self.negativePrefix.count).trimmingCharacters(in: .whitespaces)]
            } else if negative != nil {
                negative?.append(line)
            } else {
                positive.append(line)
            }
        }
        prompt = positive.joined(separator: "\n")
        negativePrompt = negative?.joined(separator: "\n")
    }

    /// Pairs `name: value` between commas; a value may be a JSON string.
    private static func fields(of line: String) -> [Field] {
        var fields: [Field] = []
        var rest = line[...]
        while let colon = rest.firstIndex(of: ":") {
            let name = rest[..<colon].trimmingCharacters(in: .whitespaces)
            let isName = name.first.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false
            guard isName, name.count > 1, name.allSatisfy({ $0.isLetter || $0.isNumber || "_ -/".contains($0) }) else {
                // No field begins here: look behind the next comma.
                guard let comma = rest.firstIndex(of: ",") else { break }
                rest = rest[rest.index(after: comma)...]
                continue
            }
            rest = rest[rest.index(after: colon)...].drop { $0 == " " }
            if rest.first == "\"", let end = endOfString(rest), let value = unquoted(rest[..<end]) {
                fields.append(Field(name, value))
                rest = rest[end...]
            } else {
                let value = rest.prefix { $0 != "," }
                fields.append(Field(name, value.trimmingCharacters(in: .whitespaces)))
                rest = rest[value.endIndex...]
            }
            rest = rest.drop { $0 == " " }
            if rest.first == "," { rest = rest.dropFirst() }
        }
        return fields
    }

    /// The place behind the closing quotation mark.
    private static func endOfString(_ text: Substring) -> Substring.Index? {
        var index = text.index(after: text.startIndex)
        while index < text.endIndex {
            switch text[index] {
            case "\"": return text.index(after: index)
            case "\\":
                index = text.index(after: index)
                if index == text.endIndex { return nil }
            default: break
            }
            index = text.index(after: index)
        }
        return nil
    }

    private static func unquoted(_ text: Substring) -> String? {
        try? JSONDecoder().decode(String.self, from: Data(text.utf8))
    }

    // MARK: Writing

    /// The text; `Infotext(parsing:)` gives it back.
    public var text: String {
        var lines = [prompt]
        if let negativePrompt, !negativePrompt.isEmpty { lines.append("\(Self.negativePrefix) \(negativePrompt)") }
        if !fields.isEmpty {
            lines.append(fields.map { "\($0.name): \(Self.quoted($0.value))" }.joined(separator: ", "))
        }
        return lines.joined(separator: "\n")
    }

    private static func quoted(_ value: String) -> String {
        guard value.contains(where: { ",:\n\"".contains($0) }) || value.isEmpty else { return value }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? value
    }
}
