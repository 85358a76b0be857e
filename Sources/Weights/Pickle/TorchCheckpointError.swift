/// A torch checkpoint that breaks a rule of its format, or that holds more than tensors and plain values.
///
/// The description is one sentence for the person who can fix the file:
///
///     model.ckpt: expected only tensors and plain values, found the class os.system, which could run code; nothing
///     was executed. Save it as safetensors
public struct TorchCheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The rule that was broken; for callers that treat some of them specially, and for tests.
    public enum Rule: String, Sendable, CaseIterable {
        /// The file system refused: missing, unreadable, not a regular file.
        case fileAccess
        /// Neither a zip archive of torch nor a legacy checkpoint.
        case format
        /// The file, or the pickle in it, ends before what it promises.
        case truncated
        /// A zip directory that contradicts itself, overlapping members, or names that no checkpoint has.
        case archive
        /// A member that is compressed or encrypted.
        case compressed
        /// More bytes, instructions, values or nesting than are allowed.
        case limit
        /// A class, function or instruction that could run code.
        case forbidden
        /// A pickle whose instructions do not fit together.
        case syntax
        /// A key given twice, or two keys that are spelled alike.
        case duplicateKey
        /// A container that contains itself.
        case cycle
        /// A storage that is missing, has another size than is claimed, or is claimed in two ways.
        case storage
        /// A shape, strides or an offset that reach outside the storage.
        case layout
        /// An element type that is not known, or that this package does not compute with.
        case dtype
        /// A tensor's name that is too long or holds control characters or `../`.
        case name
    }

    public let rule: Rule
    /// The file, as its opener named it.
    public let path: String
    /// Where in the file: `pickle byte 17`, `tensor "conv.weight"`; empty when the file as a whole is meant.
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

    /// Something that only exists to run code.
    static func forbidden(_ what: String, path: String) -> TorchCheckpointError {
        TorchCheckpointError(
            .forbidden, path: path, expected: "only tensors and plain values",
            found: "\(what), which could run code; nothing was executed. Save it as safetensors")
    }

    /// The same failure of the file system in this format's words.
    init(_ error: SafetensorsError) {
        self.init(.fileAccess, path: error.path, place: error.place, expected: error.expected, found: error.found)
    }

    public var description: String {
        "\(path): \(place.isEmpty ? "" : "\(place): ")expected \(expected), found \(found)"
    }
}
