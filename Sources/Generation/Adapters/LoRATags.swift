import Foundation

/// The adapters that a prompt names, as A1111 writes them: `<lora:name:weight>`, `<lora:name>` for weight 1.
public struct LoRATags: Sendable, Equatable {
    public struct Tag: Sendable, Hashable {
        public var name: String
        public var weight: Double
    }

    /// The prompt without the tags.
    public let prompt: String
    public let tags: [Tag]

    /// - Throws: `GenerationError` for a tag without a name or with a weight that is no number.
    public init(_ text: String) throws {
        var rest = text[...]
        var prompt = ""
        var tags: [Tag] = []
        while let start = rest.range(of: "<lora:") {
            guard let end = rest[start.upperBound...].firstIndex(of: ">") else { break }
            let fields = rest[start.upperBound..<end].split(separator: ":", omittingEmptySubsequences: false)
            // Some programs write a second weight, for text encoders; it must be the same one.
            guard let name = fields.first, !name.isEmpty, fields.count <= 3,
                let weights = Optional(fields.dropFirst().map { Double($0) }),
                weights.allSatisfy({ $0?.isFinite == true }), Set(weights.map { $0 ?? 0 }).count <= 1
            else {
                throw GenerationError(
                    "prompt", expected: "<lora:name:weight>", found: String(rest[start.lowerBound...end]))
            }
            tags.append(Tag(name: String(name), weight: weights.first.flatMap { $0 } ?? 1))
            prompt += rest[..<start.lowerBound]
            rest = rest[rest.index(after: end)...]
            // What stood around the tag is not to leave two spaces.
            if prompt.last?.isWhitespace ?? true { rest = rest.drop { $0 == " " } }
        }
        self.prompt = tags.isEmpty ? text : (prompt + rest).trimmingCharacters(in: .whitespaces)
        self.tags = tags
    }

    /// Refuses tags where no adapter can follow from them.
    ///
    /// - Parameter place: what the text is, such as `negative prompt`.
    static func refuse(in text: String, _ place: String) throws {
        guard let start = text.range(of: "<lora:"), text[start.upperBound...].contains(">") else { return }
        throw GenerationError(
            place,
            expected: "no adapter, as none acts there by its tag (a stack's `branch: unconditional` confines one)",
            found: String(text[start.lowerBound...].prefix { $0 != ">" }) + ">")
    }
}
