/// Why a tokenizer's files could not be read or written, in words for the person who can fix them.
public struct TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file or folder.
    public let path: String
    public let expected: String
    public let found: String

    public init(path: String, expected: String, found: String) {
        self.path = path
        self.expected = expected
        self.found = found
    }

    public var description: String { "\(path): expected \(expected), found \(found)" }
}
