public import Foundation

/// `tokenizer.json` of any byte-pair tokenizer, as far as it matters here.
struct TokenizerJSON: Decodable {
    struct Model: Decodable {
        var type: String?
        /// Checked here; `VocabularyReader` reads it, as equivalent spellings are one key to the decoder.
        var vocab: [String: Int]
        var merges: [TokenizerFile.MergeEntry]
        var unknown: String?
        var suffix: String?
        var prefix: String?
        var fusesUnknown: Bool?
        var fallsBackToBytes: Bool?
        var ignoresMerges: Bool?

        private enum CodingKeys: String, CodingKey {
            case type, vocab, merges
            case unknown = "unk_token"
            case suffix = "end_of_word_suffix"
            case prefix = "continuing_subword_prefix"
            case fusesUnknown = "fuse_unk"
            case fallsBackToBytes = "byte_fallback"
            case ignoresMerges = "ignore_merges"
        }
    }

    /// A step of any stage, with the fields of all kinds of steps.
    struct Step: Decodable {
        struct Pattern: Decodable {
            var regex: String?
            var string: String?
            private enum CodingKeys: String, CodingKey {
                case regex = "Regex"
                case string = "String"
            }
        }

        /// A part of a template: a special token, or the text.
        struct Part: Decodable {
            struct Token: Decodable { var id: String }
            var special: Token?
            private enum CodingKeys: String, CodingKey { case special = "SpecialToken" }
        }

        struct Special: Decodable { var ids: [Int] }

        var type: String
        var pattern: Pattern?
        var behavior: String?
        var invert: Bool?
        var content: StringOrNumber?
        var prepend: String?
        var replacement: String?
        var prependScheme: String?
        var split: Bool?
        var addsPrefixSpace: Bool?
        var usesRegex: Bool?
        var trimsOffsets: Bool?
        var individualDigits: Bool?
        var start: Int?
        var single: [Part]?
        var specials: [String: Special]?
        var steps: [Step]

        private enum CodingKeys: String, CodingKey {
            case type, pattern, behavior, invert, content, prepend, replacement, split, start, single
            case prependScheme = "prepend_scheme"
            case addsPrefixSpace = "add_prefix_space"
            case usesRegex = "use_regex"
            case trimsOffsets = "trim_offsets"
            case individualDigits = "individual_digits"
            case specials = "special_tokens"
            case normalizers, pretokenizers, processors, decoders
        }

        init(from decoder: any Decoder) throws {
            let keys = try decoder.container(keyedBy: CodingKeys.self)
            type = try keys.decode(String.self, forKey: .type)
            pattern = try keys.decodeIfPresent(Pattern.self, forKey: .pattern)
            behavior = try keys.decodeIfPresent(String.self, forKey: .behavior)
            invert = try keys.decodeIfPresent(Bool.self, forKey: .invert)
            content = try keys.decodeIfPresent(StringOrNumber.self, forKey: .content)
            prepend = try keys.decodeIfPresent(String.self, forKey: .prepend)
            replacement = try keys.decodeIfPresent(String.self, forKey: .replacement)
            prependScheme = try keys.decodeIfPresent(String.self, forKey: .prependScheme)
            split = try keys.decodeIfPresent(Bool.self, forKey: .split)
            addsPrefixSpace = try keys.decodeIfPresent(Bool.self, forKey: .addsPrefixSpace)
            usesRegex = try keys.decodeIfPresent(Bool.self, forKey: .usesRegex)
            trimsOffsets = try keys.decodeIfPresent(Bool.self, forKey: .trimsOffsets)
            individualDigits = try keys.decodeIfPresent(Bool.self, forKey: .individualDigits)
            start = try? keys.decodeIfPresent(Int.self, forKey: .start)
            single = try keys.decodeIfPresent([Part].self, forKey: .single)
            specials = try? keys.decodeIfPresent([String: Special].self, forKey: .specials)
            steps = []
            for key in [CodingKeys.normalizers, .pretokenizers, .processors, .decoders] {
                steps += try keys.decodeIfPresent([Step].self, forKey: key) ?? []
            }
        }

        /// The steps of a sequence, or the step itself.
        var flat: [Step] { type == "Sequence" ? steps.flatMap(\.flat) : [self] }
    }

    /// Some steps call a text `content`, others a number.
    struct StringOrNumber: Decodable {
        var string: String?
        init(from decoder: any Decoder) throws { string = try? decoder.singleValueContainer().decode(String.self) }
    }

    var model: Model
    var addedTokens: [TokenEntry]?
    var normalizer: Step?
    var preTokenizer: Step?
    var postProcessor: Step?
    var decoder: Step?

    private enum CodingKeys: String, CodingKey {
        case model, normalizer, decoder
        case addedTokens = "added_tokens"
        case preTokenizer = "pre_tokenizer"
        case postProcessor = "post_processor"
    }
}

/// The kind of model that a `tokenizer.json` is of.
private struct TokenizerKind: Decodable {
    struct Model: Decodable { var type: String? }
    var model: Model
}

extension TextTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// - Throws: `TokenizerError` for a file that is no byte-pair tokenizer, and for steps that are not built here.
    public init(json: Data, path: String) throws {
        // Other kinds of models have no merges, and vocabularies of another shape: their kind is told first.
        let kind: TokenizerKind = try JSONFile.decoded(json, path: path)
        guard kind.model.type ?? "BPE" == "BPE" else {
            throw TokenizerError(path: path, expected: "a BPE model", found: kind.model.type ?? "none")
        }
        let file: TokenizerJSON = try JSONFile.decoded(json, path: path)
        let vocabulary = try VocabularyReader.vocabulary(in: json, at: ["model", "vocab"], file: path)
        try self.init(TextTokenizerDefinition(file, vocabulary, path: path))
    }

    /// Reads `tokenizer.json` of a model's folder.
    public init(folder: URL) throws {
        let url = folder.appending(path: "tokenizer.json")
        guard let data = try? Data(contentsOf: url) else {
            throw TokenizerError(path: folder.path, expected: "tokenizer.json", found: "none that can be read")
        }
        try self.init(json: data, path: url.path)
    }
}

extension TextTokenizerDefinition {
    fileprivate init(_ file: TokenizerJSON, _ vocabulary: Vocabulary, path: String) throws {
        func refuse(_ expected: String, _ found: String) -> TokenizerError {
            TokenizerError(path: path, expected: expected, found: found)
        }
        let model = file.model
        guard (model.suffix ?? "").isEmpty, (model.prefix ?? "").isEmpty else {
            throw refuse("tokens without an end-of-word suffix or a prefix within words", "one of them")
        }
        let pre = file.preTokenizer?.flat ?? []
        let isByteLevel = pre.contains { $0.type == "ByteLevel" }
        let decoders = file.decoder?.flat ?? []
        self.init(
            path: path, vocabulary: vocabulary, merges: model.merges.map { ($0.left, $0.right) },
            alphabet: isByteLevel
                ? .bytes : .characters(stripsSpace: decoders.contains { $0.type == "Strip" || $0.type == "Metaspace" }))
        takesWholePieces = model.ignoresMerges ?? false
        unknown = model.unknown
        fusesUnknown = model.fusesUnknown ?? false
        for entry in file.addedTokens ?? [] {
            guard let id = entry.id else { throw refuse("added tokens with an id", "none for \"\(entry.content)\"") }
            addedTokens.append(try entry.token(id: id, path: path))
        }
        normalization = try (file.normalizer?.flat ?? []).map { step in
            switch step.type {
            case "NFC": return .composed
            case "Prepend": return .prepend(step.prepend ?? "")
            case "Replace":
                guard let old = step.pattern?.string, !old.isEmpty else { break }
                return .replace(old, by: step.content?.string ?? "")
            default: break
            }
            throw refuse("a normalizer of NFC, Prepend and Replace of a text", step.type)
        }
        for step in pre { try add(splitting: step, refuse) }
        for step in file.postProcessor?.flat ?? [] {
            switch step.type {
            case "ByteLevel":
                trimsRanges = step.trimsOffsets ?? true
                allowsSpaceFirst = step.addsPrefixSpace ?? true
            case "TemplateProcessing": try add(template: step, refuse)
            default: throw refuse("a post-processor of ByteLevel and TemplateProcessing", step.type)
            }
        }
    }

    private mutating func add(splitting step: TokenizerJSON.Step, _ refuse: (String, String) -> TokenizerError) throws {
        switch step.type {
        case "ByteLevel":
            if step.addsPrefixSpace ?? true { splitting.append(.leadingSpace) }
            if step.usesRegex ?? true { splitting.append(.split(.gpt2)) }
        case "Digits": splitting.append(.digits(areSingle: step.individualDigits ?? false))
        case "Metaspace":
            guard step.replacement ?? "▁" == "▁" else { throw refuse("the mark ▁", step.replacement ?? "") }
            let scheme = step.prependScheme ?? "always"
            splitting.append(.metaspace(isPrepended: scheme != "never", splits: step.split ?? true))
        case "Split":
            // A split at spaces that the normalizer has already replaced does nothing.
            if step.pattern?.string == " ", normalization.contains(.replace(" ", by: "▁")) { return }
            guard let regex = step.pattern?.regex, let pattern = SplitPattern(regex: regex) else {
                throw refuse(
                    "a splitting pattern of GPT-2, Llama 3 or Qwen 2",
                    step.pattern?.regex ?? step.pattern?.string ?? "none")
            }
            let isWhole = step.behavior == "Isolated" || (step.behavior == "Removed" && step.invert == true)
            guard isWhole else { throw refuse("a split that keeps every character", step.behavior ?? "none") }
            splitting.append(.split(pattern))
        default: throw refuse("a pre-tokenizer of ByteLevel, Digits, Metaspace and Split", step.type)
        }
    }

    private mutating func add(template step: TokenizerJSON.Step, _ refuse: (String, String) -> TokenizerError) throws {
        var isBefore = true
        for part in step.single ?? [] {
            guard let token = part.special else {
                isBefore = false
                continue
            }
            guard let ids = step.specials?[token.id]?.ids else {
                throw refuse("ids of the template's special tokens", "none for \"\(token.id)\"")
            }
            if isBefore { before += ids } else { after += ids }
        }
    }
}
