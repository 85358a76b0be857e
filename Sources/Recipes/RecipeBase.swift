/// A recipe whose file may name another one beside it as its base: `base: mini.yaml`.
///
/// What the file says stands over what the base says: tables are joined key by key, everything else takes the place of the
/// base's value, and `null` takes the base's key out. A base may have a base of its own.
public protocol DerivableRecipe: Decodable {}

/// The bases of a recipe's file.
enum RecipeBase {
    static let key = "base"
    /// A chain of more is a mistake.
    static let most = 8

    /// A recipe with everything that its bases say and it does not.
    ///
    /// - Returns: the joined recipe, in which lines are those of its own file and 0 for what comes from a base; and the names of
    ///   the bases, nearest first.
    /// - Throws: `RecipeError` for a name that is not one of a file beside the recipe, a circle, a chain of more than eight,
    ///   and for what is wrong with a base's file.
    static func joining(_ node: RecipeNode, path: String) throws -> (node: RecipeNode, bases: [String]) {
        let (folder, name) = split(path)
        var (joined, names, file) = (node, [name], path)
        while let base = try base(of: joined, in: file) {
            guard !names.contains(base.name) else {
                throw RecipeError(
                    path: file, key: key, expected: "a recipe that does not build on this one",
                    found: (names + [base.name]).joined(separator: " -> "), line: base.line)
            }
            guard names.count <= most else {
                throw RecipeError(
                    path: path, key: key, expected: "at most \(most) recipes below one another",
                    found: (names + [base.name]).joined(separator: " -> "))
            }
            file = folder + base.name
            names.append(base.name)
            let below = try RecipeParser(path: file).parse(file: file)
            joined = joined.without(key).over(below.withoutLines)
        }
        return (joined, Array(names.dropFirst()))
    }

    /// The folder with its last slash, and the name.
    private static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return ("", path) }
        return (String(path[...slash]), String(path[path.index(after: slash)...]))
    }

    private static func base(of node: RecipeNode, in file: String) throws -> (name: String, line: Int?)? {
        guard case .table(let pairs, _) = node, let value = pairs.first(where: { $0.key == key })?.value else {
            return nil
        }
        let line = value.line == 0 ? nil : value.line
        guard case .scalar(let scalar) = value, !scalar.isNull, !scalar.text.isEmpty, !scalar.text.contains("/"),
            ![".", ".."].contains(scalar.text)
        else {
            throw RecipeError(
                path: file, key: key, expected: "the name of a recipe in the same folder", found: value.summary,
                line: line)
        }
        return (scalar.text, line)
    }
}

extension RecipeNode {
    /// This value where both are given: see `DerivableRecipe`.
    func over(_ base: RecipeNode) -> RecipeNode {
        guard case .table(let own, let line) = self, case .table(let below, _) = base else { return self }
        var values = Dictionary(own.map { ($0.key, $0.value) }) { first, _ in first }
        var pairs: [(key: String, value: RecipeNode)] = []
        for (key, value) in below {
            guard let over = values.removeValue(forKey: key) else {
                pairs.append((key, value))
                continue
            }
            if case .scalar(let scalar) = over, scalar.isNull { continue }
            pairs.append((key, over.over(value)))
        }
        pairs += own.filter { values[$0.key] != nil }
        return .table(pairs, line: line)
    }

    func without(_ key: String) -> RecipeNode {
        guard case .table(let pairs, let line) = self else { return self }
        return .table(pairs.filter { $0.key != key }, line: line)
    }

    /// With 0 for the lines, which are those of another file.
    var withoutLines: RecipeNode {
        switch self {
        case .scalar(var scalar):
            scalar.line = 0
            return .scalar(scalar)
        case .list(let values, _): return .list(values.map(\.withoutLines), line: 0)
        case .table(let pairs, _): return .table(pairs.map { ($0.key, $0.value.withoutLines) }, line: 0)
        }
    }
}
