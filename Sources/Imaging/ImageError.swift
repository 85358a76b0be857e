/// Why a picture could not be read or written, in words for the person who can fix it.
public struct ImageError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// The file cannot be opened or read.
        case unreadable
        /// Neither a PNG nor a JPEG, by its first bytes or its extension.
        case unknownFormat
        /// The bytes break the format's rules: damaged, truncated or hostile.
        case corrupt
        /// Larger than the limits allow.
        case tooLarge
        /// A valid file of a kind that is not read, or a picture that the format cannot hold.
        case unsupported
        /// Metadata that the format cannot carry.
        case invalidMetadata
        /// The file cannot be created or replaced.
        case unwritable
    }

    public let kind: Kind
    /// The file, or the name given to bytes in memory.
    public let path: String
    public let expected: String
    public let found: String

    public init(_ kind: Kind, path: String, expected: String, found: String) {
        self.kind = kind
        self.path = path
        self.expected = expected
        self.found = found
    }

    public var description: String { "\(path): expected \(expected), found \(found)" }
}
