/// What the metadata of a GGUF file says of its tokenizer, under `tokenizer.ggml.`.
public struct GGUFTokenizerMetadata: Sendable {
    /// `gpt2` for byte-level BPE, `llama` for SentencePiece's.
    public var model: String
    /// The splitting rule of byte-level BPE.
    public var pre: String?
    public var tokens: [String]
    public var merges: [String]?
    public var scores: [Float]?
    /// 1 ordinary, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 a byte.
    public var types: [Int]?
    public var beginToken: Int?
    public var endToken: Int?
    public var unknownToken: Int?
    public var addsBegin: Bool?
    public var addsEnd: Bool?
    public var addsSpace: Bool?

    public init(model: String, tokens: [String]) {
        self.model = model
        self.tokens = tokens
    }
}

extension TextTokenizer {
    /// The tokenizer in a GGUF file.
    ///
    /// - Throws: `TokenizerError` for kinds of tokenizers that are not built here, and for tables that do not fit together.
    public init(_ metadata: GGUFTokenizerMetadata, path: String) throws {
        try self.init(TextTokenizerDefinition(metadata, path: path))
    }
}

extension TextTokenizerDefinition {
    /// The splitting rules by the names that llama.cpp gives them.
    private static let splittingRules: [String: [TextStep]] = [
        "default": [.split(.gpt2)], "gpt-2": [.split(.gpt2)], "gpt2": [.split(.gpt2)], "olmo": [.split(.gpt2)],
        "mpt": [.split(.gpt2)],
        "smollm": [.digits(areSingle: true), .split(.gpt2)],
        "llama-bpe": [.split(.llama3)], "llama3": [.split(.llama3)], "llama-v3": [.split(.llama3)],
        "smaug-bpe": [.split(.llama3)], "qwen2": [.split(.qwen2)],
    ]

    /// Of these, those whose texts begin with a token unless the file says otherwise.
    private static let beginningRules: Set = ["llama-bpe", "llama3", "llama-v3"]

    fileprivate init(_ metadata: GGUFTokenizerMetadata, path: String) throws {
        func refuse(_ expected: String, _ found: String) -> TokenizerError {
            TokenizerError(path: path, expected: expected, found: found)
        }
        let tokens = metadata.tokens
        let types = metadata.types ?? [Int](repeating: 1, count: tokens.count)
        guard !tokens.isEmpty, types.count == tokens.count else {
            throw refuse("a type for each of \(tokens.count) tokens", "\(types.count)")
        }
        var vocabulary = Vocabulary()
        vocabulary.reserveCapacity(tokens.count)
        // Padding of the table may repeat a text; the first counts.
        for (id, token) in tokens.enumerated() where vocabulary[token] == nil { vocabulary[token] = id }
        let added = tokens.indices.filter { types[$0] == 3 || types[$0] == 4 }.map { id in
            AddedToken(content: tokens[id], id: id, isNormalized: false, isSpecial: types[id] == 3)
        }
        let usable = added.filter { !$0.content.isEmpty && vocabulary[$0.content] == $0.id }
        for id in [metadata.beginToken, metadata.endToken, metadata.unknownToken] {
            guard let id, !tokens.indices.contains(id) else { continue }
            throw refuse("special tokens below \(tokens.count)", "\(id)")
        }
        switch metadata.model {
        case "gpt2":
            let pre = metadata.pre ?? "default"
            guard let steps = Self.splittingRules[pre] else {
                let known = Self.splittingRules.keys.sorted().joined(separator: ", ")
                throw refuse("a tokenizer.ggml.pre of \(known)", "\"\(pre)\"")
            }
            guard let lines = metadata.merges else { throw refuse("tokenizer.ggml.merges", "none") }
            let merges = try lines.map { line -> (left: String, right: String) in
                // A token may begin with a space in the file's spelling of nothing: only the first after it parts.
                guard let space = line.utf8.dropFirst().firstIndex(of: UInt8(ascii: " ")) else {
                    throw refuse("merges of two tokens", "\"\(line)\"")
                }
                return (String(line[..<space]), String(line[line.utf8.index(after: space)...]))
            }
            self.init(path: path, vocabulary: vocabulary, merges: merges, addedTokens: usable, alphabet: .bytes)
            splitting = steps
            takesWholePieces = steps == [.split(.llama3)]
            if metadata.addsBegin ?? Self.beginningRules.contains(pre), let begin = metadata.beginToken {
                before = [begin]
            }
        case "llama":
            guard let scores = metadata.scores, scores.count == tokens.count else {
                throw refuse("a score for each of \(tokens.count) tokens", "\(metadata.scores?.count ?? 0)")
            }
            let addsSpace = metadata.addsSpace ?? true
            self.init(
                path: path, vocabulary: vocabulary,
                merges: Self.merges(tokens, types, scores, vocabulary), addedTokens: usable,
                alphabet: .characters(stripsSpace: addsSpace))
            normalization = (addsSpace ? [.prepend("▁")] : []) + [.replace(" ", by: "▁")]
            unknown =
                metadata.unknownToken.map { tokens[$0] } ?? tokens.indices.first { types[$0] == 2 }.map { tokens[$0] }
            fusesUnknown = true
            if metadata.addsBegin ?? true, let begin = metadata.beginToken { before = [begin] }
        default:
            throw refuse("a tokenizer.ggml.model of gpt2 or llama", "\"\(metadata.model)\"")
        }
        if metadata.addsEnd ?? false, let end = metadata.endToken { after = [end] }
    }

    /// SentencePiece joins the pair whose union has the highest score: every way to make a token of two others, the best
    /// tokens first.
    ///
    /// Follows transformers `tokenization_utils_sentencepiece.py`, generate_merges.
    private static func merges(
        _ tokens: [String], _ types: [Int], _ scores: [Float], _ vocabulary: Vocabulary
    ) -> [(left: String, right: String)] {
        let order = tokens.indices.filter { types[$0] == 1 || types[$0] == 4 }
            .sorted { (-scores[$0], $0) < (-scores[$1], $1) }
        var merges: [(left: String, right: String)] = []
        for id in order where vocabulary[tokens[id]] == id {
            let token = tokens[id]
            var pairs: [(left: String, right: String, key: (Int, Int))] = []
            for place in token.unicodeScalars.indices.dropFirst() {
                let (left, right) = (String(token[..<place]), String(token[place...]))
                if let a = vocabulary[left], let b = vocabulary[right] { pairs.append((left, right, (a, b))) }
            }
            merges += pairs.sorted { $0.key < $1.key }.map { ($0.left, $0.right) }
        }
        return merges
    }
}
