import Foundation

/// The adapters that a prompt names, as A1111 writes them: `<lora:name:weight>`, `<lora:name>` for weight 1.
public struct LoRATags: Sendable, Equatable {
    public struct Tag: Sendable, Equatable {
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

    /// The endings of files that are looked for, in turn.
    static let endings = ["safetensors", "pt", "bin", "ckpt"]

    /// The file of a tag in the first of several folders that has one.
    ///
    /// - Throws: `GenerationError` when none has.
    public static func file(of name: String, in folders: [String]) throws -> String {
        for folder in folders {
            let path = "\(folder)/\(name)"
            let candidates = [path] + endings.map { "\(path).\($0)" }
            for candidate in candidates where isFile(candidate) { return candidate }
        }
        throw GenerationError(
            "<lora:\(name)>", expected: "a file \(name).\(endings[0]) in \(folders.joined(separator: ", "))",
            found: folders.isEmpty ? "no folder to look in (--lora-model-dir)" : "none")
    }

    private static func isFile(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
    }
}
