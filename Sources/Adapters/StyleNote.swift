internal import Foundation

/// What the file of a style learnt from picture pairs says of itself, under `atelier.style` in its metadata.
public struct StyleNote: Sendable, Codable, Hashable {
    public enum Role: String, Sendable, Codable {
        /// What the style picture has and the content picture has not.
        case style
        /// What one pair shows; kept for a training that goes on, never used to draw.
        case content
    }

    public var schema = 1
    public var name: String
    public var role: Role
    /// The hash of the model that it was trained on.
    public var base: String
    /// What is added to a prompt in the style's branch: `in ink style`.
    public var phrase: String
    /// How it was learnt: `pair`, or `dreambooth` for the baseline.
    public var method: String
    /// The hash of its recipe.
    public var recipe: String?
    public var steps: Int?
    /// The strength of its guidance that shows the style and keeps the picture.
    public var strength = 3.0
    /// The share of the run, from pure noise as 1 down to 0, from which on it acts.
    public var start = 0.8

    public init(name: String, role: Role, base: String, phrase: String, method: String) {
        self.name = name
        self.role = role
        self.base = base
        self.phrase = phrase
        self.method = method
    }

    /// The note of a file's metadata; nil for files from elsewhere.
    public init?(_ metadata: [String: String]) {
        guard let text = metadata[Self.key],
            let note = try? JSONDecoder().decode(StyleNote.self, from: Data(text.utf8))
        else { return nil }
        self = note
    }

    public static let key = "atelier.style"
}

extension Adapter {
    /// The note of a style that was trained here; nil for files from elsewhere.
    public var styleNote: StyleNote? { StyleNote(metadata) }

    /// Puts a note into the metadata, in the place of the one that is there.
    public mutating func setNote(_ note: StyleNote) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        metadata[StyleNote.key] = String(decoding: try encoder.encode(note), as: UTF8.self)
    }
}
