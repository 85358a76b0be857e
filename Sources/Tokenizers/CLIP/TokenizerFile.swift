/// A special token in a configuration file: its text alone, or an object with flags.
struct TokenEntry: Decodable {
    var content: String
    var id: Int?
    var normalized = false
    var special = true
    /// Flags that no CLIP tokenizer sets, and that are refused.
    var strips = false

    init(content: String) {
        self.content = content
    }

    private enum CodingKeys: String, CodingKey {
        case content, id, normalized, special, lstrip, rstrip
        case singleWord = "single_word"
    }

    init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            content = text
            return
        }
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        content = try fields.decode(String.self, forKey: .content)
        id = try fields.decodeIfPresent(Int.self, forKey: .id)
        normalized = try fields.decodeIfPresent(Bool.self, forKey: .normalized) ?? false
        special = try fields.decodeIfPresent(Bool.self, forKey: .special) ?? true
        for flag in [CodingKeys.lstrip, .rstrip, .singleWord] {
            strips = try fields.decodeIfPresent(Bool.self, forKey: flag) ?? false || strips
        }
    }

    func token(id: Int, path: String) throws -> AddedToken {
        guard !strips, !content.isEmpty else {
            throw TokenizerError(
                path: path, expected: "added tokens without lstrip, rstrip and single_word",
                found: content.isEmpty ? "an empty one" : "one of them for \"\(content)\"")
        }
        return AddedToken(content: content, id: id, isNormalized: normalized, isSpecial: special)
    }
}

/// `tokenizer_config.json`; `special_tokens_map.json` has the same four entries.
struct TokenizerConfig: Decodable {
    var bos: TokenEntry?
    var eos: TokenEntry?
    var pad: TokenEntry?
    var unknown: TokenEntry?
    var modelMaxLength: Double?
    var addedTokens: [String: TokenEntry]?

    private enum CodingKeys: String, CodingKey {
        case bos = "bos_token"
        case eos = "eos_token"
        case pad = "pad_token"
        case unknown = "unk_token"
        case modelMaxLength = "model_max_length"
        case addedTokens = "added_tokens_decoder"
    }

    /// Some files hold 10^30 for "no limit"; the model has one all the same.
    var length: Int {
        guard let modelMaxLength, (2...65536).contains(modelMaxLength) else {
            return CLIPTokenizerDefinition.standardLength
        }
        return Int(modelMaxLength)
    }

    func specials(under map: TokenizerConfig?, padding: String? = nil) -> CLIPTokenizerDefinition.Specials {
        var specials = CLIPTokenizerDefinition.Specials()
        specials.bos = (map?.bos ?? bos)?.content ?? specials.bos
        specials.eos = (map?.eos ?? eos)?.content ?? specials.eos
        specials.pad = (map?.pad ?? pad)?.content ?? padding ?? specials.pad
        specials.unknown = (map?.unknown ?? unknown)?.content ?? specials.unknown
        return specials
    }
}

/// `tokenizer.json`, as far as it matters: the BPE model and the tokens around it.
struct TokenizerFile: Decodable {
    struct Model: Decodable {
        var type: String?
        /// Checked here; `VocabularyReader` reads it, as equivalent spellings are one key to the decoder.
        var vocab: [String: Int]
        var merges: [MergeEntry]
        var suffix: String?
        var prefix: String?

        private enum CodingKeys: String, CodingKey {
            case type, vocab, merges
            case suffix = "end_of_word_suffix"
            case prefix = "continuing_subword_prefix"
        }
    }

    /// `"a b"` in older files, `["a", "b"]` in newer ones.
    struct MergeEntry: Decodable {
        var left: String
        var right: String

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let parts: [String]
            if let line = try? container.decode(String.self) {
                parts = line.partsBetweenSpaces
            } else {
                parts = try container.decode([String].self)
            }
            guard parts.count == 2 else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "two tokens that are merged"))
            }
            (left, right) = (parts[0], parts[1])
        }
    }

    /// A step of the normalizer or the pre-tokenizer: its type, its pattern, its parts.
    struct Step: Decodable {
        struct Pattern: Decodable {
            var regex: String?
            private enum CodingKeys: String, CodingKey { case regex = "Regex" }
        }

        var type: String
        var pattern: Pattern?
        var normalizers: [Step]?
        var pretokenizers: [Step]?

        /// One word a step, in order: what CLIP's are compared by.
        var outline: [String] {
            let parts = (normalizers ?? []) + (pretokenizers ?? [])
            return type == "Sequence" ? parts.flatMap(\.outline) : [type]
        }

        /// The patterns of the steps that split.
        var patterns: [String] {
            let parts = (normalizers ?? []) + (pretokenizers ?? [])
            return (type == "Split" ? [pattern?.regex ?? ""] : []) + parts.flatMap(\.patterns)
        }
    }

    struct Padding: Decodable {
        var padToken: String?
        private enum CodingKeys: String, CodingKey { case padToken = "pad_token" }
    }

    var model: Model
    var addedTokens: [TokenEntry]?
    var normalizer: Step?
    var preTokenizer: Step?
    var padding: Padding?

    private enum CodingKeys: String, CodingKey {
        case model, normalizer, padding
        case addedTokens = "added_tokens"
        case preTokenizer = "pre_tokenizer"
    }

    /// The splitting pattern, with and without the special tokens, which are cut out before it sees them.
    private static let words = #"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#
    private static let specials = #"<\|startoftext\|>|<\|endoftext\|>|"#

    /// Other byte-pair tokenizers look alike; only CLIP's steps are carried out here.
    func check(path: String) throws {
        func expect(_ condition: Bool, _ expected: String, _ found: String?) throws {
            if !condition { throw TokenizerError(path: path, expected: expected, found: found ?? "none") }
        }
        try expect(model.type ?? "BPE" == "BPE", "a BPE model, as CLIP's", model.type)
        try expect(
            model.suffix == BytePairEncoder.endOfWord, "the end-of-word suffix </w> of CLIP",
            model.suffix.map { "\"\($0)\"" })
        try expect(model.prefix ?? "" == "", "no prefix within words, as CLIP's", model.prefix)
        let normal = normalizer?.outline ?? []
        try expect(
            normal == ["NFC", "Replace", "Lowercase"], "CLIP's normalizer NFC, Replace, Lowercase",
            normal.joined(separator: ", "))
        let splitting = preTokenizer?.outline ?? []
        try expect(
            splitting == ["Split", "ByteLevel"], "CLIP's pre-tokenizer Split, ByteLevel",
            splitting.joined(separator: ", "))
        let pattern = preTokenizer?.patterns.first ?? ""
        try expect(
            pattern == Self.words || pattern == Self.specials + Self.words, "CLIP's splitting pattern", "\"\(pattern)\""
        )
    }
}
