/// A weight file that breaks a rule of its format, or that cannot be read or written.
///
/// The description is one sentence for the person who can fix the file:
///
///     model.safetensors: tensor "conv.weight": expected data that begins at byte 64 (no hole, no overlap), found 72
public struct SafetensorsError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The rule that was broken; for callers that treat some of them specially, and for tests.
    public enum Rule: String, Sendable, CaseIterable {
        /// The file system refused: missing, unreadable, unwritable, not a regular file.
        case fileAccess
        /// Fewer bytes than the length field, or than the header that it promises.
        case truncated
        /// A header longer than `SafetensorsHeader.maximumHeaderByteCount`.
        case headerLength
        /// Something other than `{` first, or other than spaces after the closing `}`.
        case headerEdge
        /// Not JSON, or not the JSON that belongs in this place.
        case syntax
        /// Not UTF-8, or an escape that names no character.
        case encoding
        /// A key given twice, of the header, of a tensor or of the metadata.
        case duplicateKey
        /// A number that is not a plain non-negative integer of at most 63 bits.
        case integer
        /// A tensor's field that is missing, or one that the format does not know.
        case field
        /// A dtype that the format does not know, or that this package does not compute with.
        case dtype
        /// A name that is empty, too long, reserved or holds control characters or `../`.
        case name
        /// More tensors, more metadata or more dimensions than are allowed.
        case count
        /// A shape whose byte count overflows, or is not the one of the tensor's data.
        case size
        /// A hole, an overlap, or bytes that no tensor owns.
        case layout
    }

    public let rule: Rule
    /// The file, as its opener named it.
    public let path: String
    /// Where in the file: `header byte 17`, `tensor "conv.weight"`; empty when the file as a whole is meant.
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

/// `text` in quotes for an error message: at most 80 characters, control characters spelled out.
func quoted(_ text: some StringProtocol) -> String {
    var result = "\""
    var count = 0
    for scalar in text.unicodeScalars {
        guard count < 80 else { return result + "...\"" }
        count += 1
        let isControl = scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
        if isControl || scalar == "\"" || scalar == "\\" {
            result += scalar.escaped(asASCII: true)
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
