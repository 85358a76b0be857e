import Foundation

/// The files of a tokenizer folder, in the layouts that transformers writes.
///
/// Which tokens are cut out of texts, and whether before or after normalization, is told in one of three places, as
/// transformers looks for them: `added_tokens` of `tokenizer.json`, `added_tokens_decoder` of `tokenizer_config.json`,
/// or the four entries of `special_tokens_map.json` over those of `tokenizer_config.json`. In the last case a later
/// role (start, end, unknown, padding) overrides an earlier one that names the same token.
enum CLIPTokenizerFiles {
    static func read(folder: String, padToken: String? = nil) throws -> CLIPTokenizerDefinition {
        let folder = folder.hasSuffix("/") ? folder : folder + "/"
        let whole = folder + "tokenizer.json"
        var config: TokenizerConfig = try JSONFile.readIfPresent(folder + "tokenizer_config.json") ?? TokenizerConfig()
        if let padToken { config.pad = TokenEntry(content: padToken) }
        if FileManager.default.fileExists(atPath: whole) {
            return try read(TokenizerFile.self, whole: whole, config: config)
        }
        let vocabularyPath = folder + "vocab.json"
        let mergesPath = folder + "merges.txt"
        guard FileManager.default.fileExists(atPath: vocabularyPath) else {
            throw TokenizerError(
                path: folder, expected: "vocab.json with merges.txt, or tokenizer.json", found: "neither")
        }
        let json = try JSONFile.data(vocabularyPath)
        // Checked by the decoder, to which equivalent spellings are one key, then read one by one.
        let _: [String: Int] = try JSONFile.decoded(json, path: vocabularyPath)
        let vocabulary = try VocabularyReader.vocabulary(in: json, at: [], file: vocabularyPath)
        let map: TokenizerConfig? =
            config.addedTokens == nil ? try JSONFile.readIfPresent(folder + "special_tokens_map.json") : nil
        let specials = config.specials(under: map)
        return try CLIPTokenizerDefinition(
            vocabulary: vocabulary, merges: merges(at: mergesPath),
            addedTokens: addedTokens(config: config, map: map, vocabulary: vocabulary, path: vocabularyPath),
            specials: specials, modelMaxLength: config.length, vocabularyPath: vocabularyPath, mergesPath: mergesPath)
    }

    private static func read(
        _: TokenizerFile.Type, whole path: String, config: TokenizerConfig
    ) throws -> CLIPTokenizerDefinition {
        let json = try JSONFile.data(path)
        let file: TokenizerFile = try JSONFile.decoded(json, path: path)
        try file.check(path: path)
        let vocabulary = try VocabularyReader.vocabulary(in: json, at: ["model", "vocab"], file: path)
        let specials = config.specials(under: nil, padding: file.padding?.padToken)
        var added = try (file.addedTokens ?? []).map { entry in
            guard let id = entry.id else {
                throw TokenizerError(
                    path: path, expected: "an id for the added token \"\(entry.content)\"", found: "none")
            }
            return try entry.token(id: id, path: path)
        }
        for name in [specials.bos, specials.eos, specials.unknown, specials.pad] {
            if let id = vocabulary[name], !added.contains(where: { $0.content.isSpelled(name) }) {
                added.append(AddedToken(content: name, id: id, isNormalized: false, isSpecial: true))
            }
        }
        return try CLIPTokenizerDefinition(
            vocabulary: vocabulary, merges: file.model.merges.map { ($0.left, $0.right) }, addedTokens: added,
            specials: specials, modelMaxLength: config.length, vocabularyPath: path, mergesPath: path)
    }

    private static func addedTokens(
        config: TokenizerConfig, map: TokenizerConfig?, vocabulary: Vocabulary, path: String
    ) throws -> [AddedToken] {
        var added: [AddedToken] = []
        func add(_ token: AddedToken) {
            added.removeAll { $0.content.isSpelled(token.content) }
            added.append(token)
        }
        for (key, entry) in (config.addedTokens ?? [:]).sorted(by: { (Int($0.key) ?? 0) < (Int($1.key) ?? 0) }) {
            guard let id = Int(key) else {
                throw TokenizerError(
                    path: path, expected: "ids as keys of added_tokens_decoder", found: "\"\(key)\"")
            }
            add(try entry.token(id: id, path: path))
        }
        let defaults = CLIPTokenizerDefinition.Specials()
        let roles: [(entry: TokenEntry?, name: String)] = [
            (map?.bos ?? config.bos, defaults.bos), (map?.eos ?? config.eos, defaults.eos),
            (map?.unknown ?? config.unknown, defaults.unknown), (map?.pad ?? config.pad, defaults.pad),
        ]
        for role in roles {
            let entry = role.entry ?? TokenEntry(content: role.name)
            // A token that the vocabulary lacks is reported where the roles are resolved.
            guard let id = vocabulary[entry.content] else { continue }
            let isListed = added.contains { $0.content.isSpelled(entry.content) }
            if config.addedTokens == nil || !isListed { add(try entry.token(id: id, path: path)) }
        }
        return added
    }

    /// `merges.txt`: a version line, then one pair a line, earliest learnt first.
    static func merges(at path: String) throws -> [(left: String, right: String)] {
        var merges: [(left: String, right: String)] = []
        let lines = try JSONFile.data(path).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            let line = String(decoding: bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes, as: UTF8.self)
            if line.isEmpty || (index == 0 && line.hasPrefix("#version")) { continue }
            let parts = line.partsBetweenSpaces
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw TokenizerError(
                    path: path, expected: "two tokens and a space between them on line \(index + 1)",
                    found: "\"\(line.prefix(60))\"")
            }
            merges.append((parts[0], parts[1]))
        }
        return merges
    }
}

/// JSON files of known shape, with the place of a mismatch in the error.
enum JSONFile {
    static func data(_ path: String) throws -> Data {
        do {
            return try Data(contentsOf: URL(filePath: path))
        } catch {
            let exists = FileManager.default.fileExists(atPath: path)
            throw TokenizerError(
                path: path, expected: "a readable file", found: exists ? "one that cannot be read" : "no such file")
        }
    }

    static func readIfPresent<T: Decodable>(_ path: String) throws -> T? {
        FileManager.default.fileExists(atPath: path) ? try read(path) : nil
    }

    static func read<T: Decodable>(_ path: String) throws -> T { try decoded(data(path), path: path) }

    /// - Parameter path: the file that the bytes are of, for errors.
    static func decoded<T: Decodable>(_ data: Data, path: String) throws -> T {
        do {
            return try JSONDecoder().decode(T.self, from: data)
        } catch let error as DecodingError {
            throw TokenizerError(path: path, expected: expectation(error), found: finding(error))
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        return path.isEmpty ? "the file" : path
    }

    private static func expectation(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context): "the key \"\(key.stringValue)\" in \(place(context))"
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            "\(type) at \(place(context))"
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            "\(context.debugDescription) at \(place(context))"
        default: "valid JSON"
        }
    }

    private static func finding(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound: "no such key"
        case .typeMismatch: "another type"
        case .valueNotFound: "null"
        default: "something else"
        }
    }
}
