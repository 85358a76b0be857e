/// Why a training cannot start or go on; every message says what to do.
public enum TrainingError: Error, CustomStringConvertible, Equatable {
    case invalidRecipe(key: String, expected: String, found: String)
    case checkpointMismatch(path: String, expected: String, found: String)
    case notFinite(what: String, step: Int, kept: String)

    public var description: String {
        switch self {
        case .invalidRecipe(let key, let expected, let found):
            "recipe key `\(key)`: expected \(expected), found \(found)"
        case .checkpointMismatch(let path, let expected, let found):
            "\(path): expected \(expected), found \(found); train into another folder, or resume with the same recipe"
        case .notFinite(let what, let step, let kept):
            "\(what) became infinite or NaN at step \(step); the last good checkpoint is \(kept); "
                + "lower the learning rate and resume"
        }
    }
}
