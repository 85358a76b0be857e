/// Why a sampler could not be made.
public enum SamplerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No sampling method has this name.
    case unknownMethod(String, known: [String], suggestion: String?)
    /// A value of a scheduler configuration cannot be used.
    case configuration(key: String, expected: String, found: String)
    /// The number of steps is outside what the schedule allows.
    case steps(Int, maximum: Int)

    public var description: String {
        switch self {
        case .unknownMethod(let name, let known, let suggestion):
            let hint = suggestion.map { "; did you mean \"\($0)\"?" } ?? ""
            return "sampling method: expected one of \(known.joined(separator: ", ")), found \"\(name)\"\(hint)"
        case .configuration(let key, let expected, let found):
            return "scheduler configuration: \(key): expected \(expected), found \(found)"
        case .steps(let steps, let maximum):
            return "steps: expected 1 to \(maximum), found \(steps)"
        }
    }
}
