/// All that a text tokenizer is made of, as files say it.
struct TextTokenizerDefinition {
    /// Larger ids are a damaged file; tables are sized by the largest.
    static let largestID = 1 << 22

    /// The file, for messages.
    var path: String
    var vocabulary: Vocabulary
    /// Pairs of tokens, earliest learnt first.
    var merges: [(left: String, right: String)]
    var addedTokens: [AddedToken] = []
    var alphabet: TextTokenizer.Alphabet
    var normalization: [TextStep] = []
    var splitting: [TextStep] = []
    var takesWholePieces = false
    var unknown: String?
    var fusesUnknown = false
    var before: [Int] = []
    var after: [Int] = []
    var trimsRanges = false
    var allowsSpaceFirst = true

    /// Every token by id and by text.
    func listed() throws -> (tokens: [String], ids: Vocabulary) {
        var ids = vocabulary
        for token in addedTokens { ids[token.content] = token.id }
        guard !ids.isEmpty,
            let worst = ids.values.first(where: { !(0...Self.largestID).contains($0) }) ?? ids.values.max()
        else { throw TokenizerError(path: path, expected: "a vocabulary", found: "no tokens") }
        guard (0...Self.largestID).contains(worst) else {
            throw TokenizerError(path: path, expected: "ids from 0 to \(Self.largestID)", found: "\(worst)")
        }
        var tokens = [String](repeating: "", count: (ids.values.max() ?? 0) + 1)
        for (token, id) in vocabulary.entries {
            guard tokens[id].isEmpty else {
                let pair = [tokens[id], token].sorted()
                throw TokenizerError(
                    path: path, expected: "one token an id", found: "\"\(pair[0])\" and \"\(pair[1])\" with id \(id)")
            }
            tokens[id] = token
        }
        for token in addedTokens { tokens[token.id] = token.content }
        return (tokens, ids)
    }

    func mergePairs(_ ids: Vocabulary) throws -> [(pair: MergeTable.Pair, id: Int)] {
        guard !merges.isEmpty || vocabulary.count <= 512 else {
            throw TokenizerError(
                path: path, expected: "merges for a vocabulary of \(vocabulary.count) tokens", found: "none")
        }
        return try merges.map { left, right in
            guard let leftID = ids[left], let rightID = ids[right], let merged = ids[left + right] else {
                let missing = [left, right, left + right].first { ids[$0] == nil } ?? ""
                throw TokenizerError(
                    path: path, expected: "merges of tokens of the vocabulary",
                    found: "\"\(left) \(right)\" where \"\(missing)\" is not listed")
            }
            return (MergeTable.Pair(left: leftID, right: rightID), merged)
        }
    }
}
