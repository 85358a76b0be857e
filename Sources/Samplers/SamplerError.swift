/// Why a sampler could not be made.
public enum SamplerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No sampling method has this name.
    case unknownMethod(String, known: [String], suggestion: String?)
    /// No schedule has this name.
    case unknownSchedule(String, known: [String], suggestion: String?)
    /// No prediction type has this name.
    case unknownPrediction(String, known: [String], suggestion: String?)
    /// The method cannot do this.
    case combination(method: String, subject: String, expected: String, found: String)
    /// A value of a scheduler configuration cannot be used.
    case configuration(key: String, expected: String, found: String)
    /// The number of steps is outside what the schedule allows.
    case steps(Int, maximum: Int)

    public var description: String {
        switch self {
        case .unknownMethod(let name, let known, let suggestion):
            Self.unknown("sampling method", name, known, suggestion)
        case .unknownSchedule(let name, let known, let suggestion):
            Self.unknown("schedule", name, known, suggestion)
        case .unknownPrediction(let name, let known, let suggestion):
            Self.unknown("prediction", name, known, suggestion)
        case .combination(let method, let subject, let expected, let found):
            "\(subject) for \(method): expected \(expected), found \(found)"
        case .configuration(let key, let expected, let found):
            "scheduler configuration: \(key): expected \(expected), found \(found)"
        case .steps(let steps, let maximum):
            "steps: expected 1 to \(maximum), found \(steps)"
        }
    }

    private static func unknown(
        _ subject: String, _ name: String, _ known: [String], _ suggestion: String?
    ) -> String {
        let hint = suggestion.map { "; did you mean \"\($0)\"?" } ?? ""
        return "\(subject): expected one of \(known.joined(separator: ", ")), found \"\(name)\"\(hint)"
    }
}
