/// Why a training cannot start or go on; every message says what to do.
public enum TrainingError: Error, CustomStringConvertible, Equatable {
    case invalidRecipe(key: String, expected: String, found: String)
    case checkpointMismatch(path: String, expected: String, found: String)
    /// A checkpoint of another recipe lies in the folder.
    case recipeChanged(path: String, step: String, changes: [String])
    case notFinite(what: String, step: Int, kept: String)

    public var description: String {
        switch self {
        case .invalidRecipe(let key, let expected, let found):
            "recipe key `\(key)`: expected \(expected), found \(found)"
        case .checkpointMismatch(let path, let expected, let found):
            "\(path): expected \(expected), found \(found); train into another folder, or resume with the same recipe"
        case .recipeChanged(let path, let step, let changes):
            "\(path): the recipe has changed since this training was stopped at step \(step) "
                + "(\(changes.prefix(6).joined(separator: ", "))\(changes.count > 6 ? ", ..." : "")); "
                + "name another folder with --output to train the new recipe from its beginning, "
                + "or go on here with the recipe of before; nothing was removed"
        case .notFinite(let what, let step, let kept):
            "\(what) became infinite or NaN at step \(step); the last good checkpoint is \(kept); "
                + "lower the learning rate and resume"
        }
    }
}
