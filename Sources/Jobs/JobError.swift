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

    /// The error of a job, `job 3: output`, with the line of the list that the job stands on: `job 3 (line 4): output`.
    func onLine(_ line: Int?) -> JobError {
        guard let line, subject.hasPrefix("job "), let colon = subject.firstIndex(of: ":") else { return self }
        return JobError(
            "\(subject[..<colon]) (line \(line))\(subject[colon...])", expected: expected, found: found)
    }

    public var description: String { "\(subject): expected \(expected), found \(found)" }
}
