/// What cannot be measured: the subject, what was expected of it, and what was found.
public struct MeasurementError: Error, Sendable, Equatable, CustomStringConvertible {
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
