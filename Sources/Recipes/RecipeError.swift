/// What is wrong with a recipe and where, in words for the person who wrote it.
///
///     mini.yaml: unet.chanels: expected a known key, found "chanels" on line 12; did you mean "channels"?
public struct RecipeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file, or the name given to a text in memory.
    public var path: String
    /// Where in the recipe (`unet.channels[2]`); empty for the file as a whole.
    public var key: String
    public var expected: String
    public var found: String
    /// The line on which it was found, from 1.
    public var line: Int?
    /// The known key that looks most like an unknown one.
    public var suggestion: String?

    public init(
        path: String, key: String = "", expected: String, found: String, line: Int? = nil, suggestion: String? = nil
    ) {
        self.path = path
        self.key = key
        self.expected = expected
        self.found = found
        self.line = line
        self.suggestion = suggestion
    }

    public var description: String {
        let place = key.isEmpty ? path : "\(path): \(key)"
        let line = line.map { " on line \($0)" } ?? ""
        let question = suggestion.map { "; did you mean \"\($0)\"?" } ?? ""
        return "\(place): expected \(expected), found \(found)\(line)\(question)"
    }
}
