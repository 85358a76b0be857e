/// Reads a recipe from a YAML file (JSON is YAML too).
///
/// Nothing in the file is skipped: a key that the type does not ask for, a value of another type, an empty value and a
/// doubled key are errors that say where they are. Keys are in snake case (`learning_rate` for `learningRate`).
/// Anchors, aliases, tags, more than one document, 64 levels and a mebibyte are the limits of the format.
/// A `DerivableRecipe` may name a base.
/// - Parameter values: what is set from outside, by its place: `network.rank`. It is checked as if the file had said it.
/// - Throws: `RecipeError`.
public func decodeRecipe<R: Decodable>(
    _ type: R.Type, at path: String, setting values: [String: RecipeSetting] = [:]
) throws -> R {
    let node = try RecipeParser(path: path).parse(file: path)
    guard type is any DerivableRecipe.Type else { return try decode(type, from: node, setting: values, path: path) }
    let joined = try RecipeBase.joining(node, path: path)
    return try decode(type, from: joined.node, setting: values, path: path, bases: joined.bases)
}

/// `decodeRecipe` for a text in memory, some of whose values are set from outside.
public func decodeRecipe<R: Decodable>(
    _ type: R.Type, yaml: String, name: String = "recipe", setting values: [String: RecipeSetting]
) throws -> R {
    try decode(type, from: RecipeParser(path: name).parse(yaml), setting: values, path: name)
}

private func decode<R: Decodable>(
    _ type: R.Type, from node: RecipeNode, setting values: [String: RecipeSetting], path: String, bases: [String] = []
) throws -> R {
    var node = node
    // In an order of its own, so that the same mistake is reported every time.
    for (place, value) in values.sorted(by: { $0.key < $1.key }) {
        node = try node.setting(place, to: value, path: path)
    }
    do {
        return try decode(type, from: node, path: path)
    } catch var error as RecipeError where error.line == 0 {
        // The value is in no line of the file.
        error.line = nil
        let others = bases + (values.isEmpty ? [] : ["what is set"])
        error.path += ", with " + others.joined(separator: ", ")
        throw error
    }
}

/// `decodeRecipe` for a text in memory; `name` stands for it in errors.
public func decodeRecipe<R: Decodable>(_ type: R.Type, yaml: String, name: String = "recipe") throws -> R {
    try decode(type, from: RecipeParser(path: name).parse(yaml), path: name)
}

private func decode<R: Decodable>(_ type: R.Type, from node: RecipeNode, path: String) throws -> R {
    let log = RecipeDecoder.KeyLog()
    let decoder = RecipeDecoder(node: node, place: KeyPlace(), codingPath: [], log: log)
    do {
        let recipe = try decoder.decode(type)
        try refuseUnknownKeys(in: node, at: KeyPlace(), log: log)
        return recipe
    } catch var error as RecipeError {
        error.path = path
        throw error
    } catch let error as DecodingError {
        var known = error.underlyingRecipeError ?? RecipeError(path: path, expected: "a recipe", found: "\(error)")
        known.path = path
        throw known
    }
}

/// Goes through the recipe in its own order, so that the first mistake is the first reported.
private func refuseUnknownKeys(in node: RecipeNode, at place: KeyPlace, log: RecipeDecoder.KeyLog) throws {
    switch node {
    case .scalar: break
    case .list(let values, _):
        for (index, value) in values.enumerated() {
            try refuseUnknownKeys(in: value, at: place.appending(.index(index)), log: log)
        }
    case .table(let pairs, _):
        let asked = log.asked[place] ?? []
        for (key, value) in pairs {
            guard asked.contains(key) else {
                let unused = asked.subtracting(pairs.map(\.key))
                throw RecipeError(
                    path: "", key: place.appending(.key(key)).description, expected: "a known key", found: "\"\(key)\"",
                    line: value.line, suggestion: Spelling.nearest(to: key, among: unused))
            }
            try refuseUnknownKeys(in: value, at: place.appending(.key(key)), log: log)
        }
    }
}
