/// A list of jobs, or a journal, that cannot be worked on; every message says what to do.
public struct JobError: Error, Equatable, Sendable, CustomStringConvertible {
    public let subject: String
    public let expected: String
    public let found: String

    public init(_ subject: String, expected: String, found: String) {
        self.subject = subject
        self.expected = expected
        self.found = found
    }

    public var description: String { "\(subject): expected \(expected), found \(found)" }
}
