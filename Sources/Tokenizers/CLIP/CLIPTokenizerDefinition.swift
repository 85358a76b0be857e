/// All that a CLIP tokenizer is made of, checked: what the files say, or what the trainer found.
struct CLIPTokenizerDefinition {
    static let startOfText = "<|startoftext|>"
    static let endOfText = "<|endoftext|>"
    /// Positions of every CLIP text model so far.
    static let standardLength = 77
    /// Larger ids are a damaged file; tables are sized by the largest.
    static let largestID = 1 << 24

    var ids: Vocabulary
    var tokens: [String]
    var merges: [(pair: BytePairEncoder.Pair, id: Int)]
    var addedTokens: [AddedToken]
    var bos: Int
    var eos: Int
    var pad: Int
    var unknown: Int
    var modelMaxLength: Int

    /// The names of the four special tokens.
    struct Specials {
        var bos = startOfText
        var eos = endOfText
        var pad = endOfText
        var unknown = endOfText
    }

    /// - Parameters:
    ///   - merges: pairs of tokens, earliest learnt first.
    ///   - vocabularyPath, mergesPath: the files to name in errors.
    init(
        vocabulary: Vocabulary, merges pairs: [(left: String, right: String)], addedTokens: [AddedToken],
        specials: Specials, modelMaxLength: Int, vocabularyPath: String, mergesPath: String
    ) throws {
        var listed = vocabulary
        for token in addedTokens {
            guard listed[token.content] ?? token.id == token.id else {
                throw TokenizerError(
                    path: vocabularyPath, expected: "the token \"\(token.content)\" to have id \(token.id) everywhere",
                    found: "\(listed[token.content] ?? -1)")
            }
            listed[token.content] = token.id
        }
        let largest = listed.values.max() ?? -1
        guard !listed.isEmpty, listed.values.allSatisfy({ (0...Self.largestID).contains($0) }) else {
            throw TokenizerError(
                path: vocabularyPath, expected: "ids from 0 to \(Self.largestID)",
                found: listed.isEmpty
                    ? "no tokens" : "\(listed.values.first { !(0...Self.largestID).contains($0) } ?? 0)")
        }
        tokens = [String](repeating: "", count: largest + 1)
        for (token, id) in listed.entries {
            guard tokens[id].isEmpty else {
                let pair = [tokens[id], token].sorted()
                throw TokenizerError(
                    path: vocabularyPath, expected: "one token an id",
                    found: "\"\(pair[0])\" and \"\(pair[1])\" with id \(id)")
            }
            tokens[id] = token
        }
        // Bytes alone, within and at the end of words, and four special tokens.
        guard !pairs.isEmpty || vocabulary.count <= 2 * 256 + 4 else {
            throw TokenizerError(
                path: mergesPath, expected: "merges for a vocabulary of \(vocabulary.count) tokens", found: "none")
        }
        var merges: [(pair: BytePairEncoder.Pair, id: Int)] = []
        merges.reserveCapacity(pairs.count)
        for (left, right) in pairs {
            guard let leftID = listed[left], let rightID = listed[right], let merged = listed[left + right] else {
                let missing = [left, right, left + right].first { listed[$0] == nil } ?? ""
                throw TokenizerError(
                    path: mergesPath, expected: "merges of tokens that \(Self.name(vocabularyPath)) lists",
                    found: "\"\(left) \(right)\" where \"\(missing)\" is not listed")
            }
            merges.append((BytePairEncoder.Pair(left: leftID, right: rightID), merged))
        }
        ids = listed
        self.merges = merges
        self.addedTokens = addedTokens
        self.modelMaxLength = modelMaxLength
        func special(_ token: String, _ role: String) throws -> Int {
            guard let id = listed[token] else {
                throw TokenizerError(
                    path: vocabularyPath, expected: "the \(role) token \"\(token)\"", found: "no such token")
            }
            return id
        }
        bos = try special(specials.bos, "start")
        eos = try special(specials.eos, "end")
        pad = try special(specials.pad, "padding")
        unknown = try special(specials.unknown, "unknown")
    }

    private static func name(_ path: String) -> Substring { path.split(separator: "/").last ?? path[...] }
}
