/// A GGUF file that breaks a rule of its format, or that holds what is not read here.
///
///     model.gguf: tensor "blk.0.attn_q.weight": expected data within the file's 98362432 bytes, found its end at 99123456
public struct GGUFError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The rule that was broken; for callers that treat some of them specially, and for tests.
    public enum Rule: String, Sendable, CaseIterable {
        /// The file system refused.
        case fileAccess
        /// Not a GGUF file, or one of a version or byte order that is not read here.
        case magic
        /// The file ends within its header.
        case truncated
        /// A count or a length beyond what a real file could have.
        case limit
        /// A value of a kind that the format does not know.
        case kind
        /// Text that is not UTF-8, or an empty or repeated name.
        case name
        /// A shape whose byte count overflows or does not fill whole blocks.
        case size
        /// A type of numbers that is not read here.
        case type
        /// Data that overlaps another's, lies beyond the file or at no multiple of the alignment.
        case layout
        /// Metadata that is missing, or not of the kind that is needed.
        case metadata
    }

    public let rule: Rule
    public let path: String
    /// Where in the file: `byte 17`, `tensor "token_embd.weight"`; empty when the file as a whole is meant.
    public let place: String
    public let expected: String
    public let found: String

    public init(_ rule: Rule, path: String, place: String = "", expected: String, found: String) {
        self.rule = rule
        self.path = path
        self.place = place
        self.expected = expected
        self.found = found
    }

    public var description: String {
        "\(path): \(place.isEmpty ? "" : "\(place): ")expected \(expected), found \(found)"
    }
}
