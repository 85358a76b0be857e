/// A value of any kind that is put into a recipe at a place: a number, a text, a truth value, null, a list, or keys with
/// values.
public indirect enum RecipeSetting: Codable, Sendable, Hashable {
    case null
    case boolean(Bool)
    case whole(Int)
    case number(Double)
    case text(String)
    case list([RecipeSetting])
    case table([String: RecipeSetting])

    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let boolean = try? value.decode(Bool.self) {
            self = .boolean(boolean)
        } else if let whole = try? value.decode(Int.self) {
            self = .whole(whole)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([RecipeSetting].self) {
            self = .list(list)
        } else {
            self = .table(try value.decode([String: RecipeSetting].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .boolean(let boolean): try value.encode(boolean)
        case .whole(let whole): try value.encode(whole)
        case .number(let number): try value.encode(number)
        case .text(let text): try value.encode(text)
        case .list(let list): try value.encode(list)
        case .table(let table): try value.encode(table)
        }
    }

    /// As a recipe would have written it.
    var node: RecipeNode {
        func plain(_ text: String) -> RecipeNode { .scalar(.init(text: text, isPlain: true, line: 0)) }
        return switch self {
        case .null: plain("null")
        case .boolean(let boolean): plain(boolean ? "true" : "false")
        case .whole(let whole): plain("\(whole)")
        case .number(let number): plain("\(number)")
        case .text(let text): .scalar(.init(text: text, isPlain: false, line: 0))
        case .list(let values): .list(values.map(\.node), line: 0)
        case .table(let values):
            .table(values.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value.node) }, line: 0)
        }
    }
}

extension RecipeNode {
    /// The recipe with a value at a place, `network.rank` or `pairs.0.prompt`; tables on the way are made where they are
    /// missing.
    ///
    /// - Throws: `RecipeError` for a place below a value that has nothing below it, and for a list's missing element.
    func setting(_ place: String, to value: RecipeSetting, path: String) throws -> RecipeNode {
        let steps = place.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard !steps.contains("") else {
            throw RecipeError(path: path, key: place, expected: "keys with points between them", found: "\"\(place)\"")
        }
        guard steps.count <= RecipeParser.deepest else {
            throw RecipeError(
                path: path, key: place, expected: "at most \(RecipeParser.deepest) levels", found: "\(steps.count)")
        }
        return try setting(steps[...], to: value, place: place, path: path)
    }

    private func setting(
        _ steps: ArraySlice<String>, to value: RecipeSetting, place: String, path: String
    ) throws -> RecipeNode {
        guard let step = steps.first else { return value.node }
        let rest = steps.dropFirst()
        switch self {
        case .table(var pairs, let line):
            if let index = pairs.firstIndex(where: { $0.key == step }) {
                pairs[index].value = try pairs[index].value.setting(rest, to: value, place: place, path: path)
            } else {
                let below = RecipeNode.table([], line: 0)
                pairs.append((key: step, value: try below.setting(rest, to: value, place: place, path: path)))
            }
            return .table(pairs, line: line)
        case .list(var values, let line):
            guard let index = Int(step), values.indices.contains(index) else {
                throw RecipeError(
                    path: path, key: place, expected: "the number of one of \(values.count) elements, from 0",
                    found: "\"\(step)\"", line: line)
            }
            values[index] = try values[index].setting(rest, to: value, place: place, path: path)
            return .list(values, line: line)
        case .scalar(let scalar):
            throw RecipeError(
                path: path, key: place, expected: "keys below which \"\(step)\" can be set", found: summary,
                line: scalar.line == 0 ? nil : scalar.line)
        }
    }
}
