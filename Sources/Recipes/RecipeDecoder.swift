/// Reads a type out of a recipe, noting every key that it asks for, so that the others can be reported.
///
/// Keys are spelled in snake case: `minSNRGamma` is asked for as `min_snr_gamma`; coding keys that are written with
/// underscores are taken as they are.
struct RecipeDecoder: Decoder {
    let node: RecipeNode
    let place: KeyPlace
    let codingPath: [any CodingKey]
    let log: KeyLog
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// The keys asked for, by table; shared by all decoders of one recipe, which work one after another.
    final class KeyLog {
        var asked: [KeyPlace: Set<String>] = [:]
        /// Tables whose keys were listed, as dictionaries do: their keys are names, and taken letter by letter.
        var listed: Set<KeyPlace> = []
    }

    static func spelling(_ key: some CodingKey) -> String {
        let name = Array(key.stringValue)
        guard !name.contains("_") else { return key.stringValue }
        var spelling = ""
        for (i, character) in name.enumerated() {
            // A capital starts a word unless it continues an abbreviation: min|SNR|Gamma, use|EMA.
            let startsWord =
                character.isUppercase && i > 0
                && (!name[i - 1].isUppercase || (i + 1 < name.count && name[i + 1].isLowercase))
            spelling += (startsWord ? "_" : "") + character.lowercased()
        }
        return spelling
    }

    func container<Key: CodingKey>(keyedBy _: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard case .table(let pairs, _) = node else { throw mismatch([String: Any].self, "keys and values") }
        return KeyedDecodingContainer(RecipeTable<Key>(decoder: self, pairs: pairs))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard case .list(let values, _) = node else { throw mismatch([Any].self, "a list") }
        return RecipeList(decoder: self, values: values)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { RecipeValue(decoder: self) }

    /// Decodes the value under a key or index of this one.
    func nested(_ node: RecipeNode, _ step: KeyPlace.Step, _ key: any CodingKey) -> RecipeDecoder {
        RecipeDecoder(node: node, place: place.appending(step), codingPath: codingPath + [key], log: log)
    }

    func mismatch(_ type: Any.Type, _ expected: String) -> DecodingError {
        DecodingError.typeMismatch(type, problem(expected: expected, found: node.summary))
    }

    /// The context of an error that carries the finished `RecipeError`, save for the file.
    func problem(
        expected: String, found: String, line: Int? = nil, key: String? = nil, suggestion: String? = nil
    ) -> DecodingError.Context {
        let error = RecipeError(
            path: "", key: key ?? place.description, expected: expected, found: found, line: line ?? node.line,
            suggestion: suggestion)
        return DecodingError.Context(codingPath: codingPath, debugDescription: "\(error)", underlyingError: error)
    }

    // MARK: values

    func decode<T: Decodable>(_: T.Type) throws -> T {
        if let type = T.self as? any RecipeScalar.Type { return try scalar(type, as: T.self) }
        do {
            return try T(from: self)
        } catch let error as DecodingError {
            throw error.underlyingRecipeError == nil ? located(error, T.self) : error
        } catch let error as RecipeError {
            throw error
        } catch {
            // A type that checks itself: its words, at the place where they apply.
            throw RecipeError(
                path: "", key: place.description, expected: "valid values", found: "\(error)", line: node.line)
        }
    }

    /// An error that the decoded type made itself, such as an unknown case of an enumeration.
    private func located(_ error: DecodingError, _ type: Any.Type) -> DecodingError {
        switch error {
        case .dataCorrupted where !Self.values(of: type).isEmpty:
            let values = Self.values(of: type)
            var similar: String?
            if case .scalar(let scalar) = node { similar = Spelling.nearest(to: scalar.text, among: values) }
            return .dataCorrupted(
                problem(
                    expected: values.count == 1 ? values[0] : "one of \(values.joined(separator: ", "))",
                    found: node.summary, suggestion: similar))
        case .dataCorrupted(let context):
            // What Swift says of a case that there is not names its types and no values.
            let words = context.debugDescription.hasPrefix("Cannot initialize") ? "" : " (\(context.debugDescription))"
            return .dataCorrupted(problem(expected: "a valid value" + words, found: node.summary))
        case .typeMismatch(let type, let context):
            return .typeMismatch(type, problem(expected: "\(type) (\(context.debugDescription))", found: node.summary))
        default: return error
        }
    }

    /// The texts that a type of a few named cases can be; none for other types.
    private static func values(of type: Any.Type) -> [String] {
        func all<Cases: CaseIterable>(_: Cases.Type) -> [String] {
            Cases.allCases.compactMap { ($0 as? any RawRepresentable)?.rawValue as? String }
        }
        return (type as? any CaseIterable.Type).map { all($0) } ?? []
    }

    private func scalar<S: RecipeScalar, T>(_: S.Type, as _: T.Type) throws -> T {
        guard case .scalar(let scalar) = node, let value = S(recipe: scalar), let typed = value as? T else {
            if case .scalar(let scalar) = node, scalar.isNull {
                throw DecodingError.valueNotFound(S.self, problem(expected: S.recipeKind, found: "null"))
            }
            throw mismatch(S.self, S.recipeKind)
        }
        return typed
    }
}

extension DecodingError {
    var underlyingRecipeError: RecipeError? {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
            .dataCorrupted(let context):
            context.underlyingError as? RecipeError
        @unknown default: nil
        }
    }
}
