public import struct Foundation.URL

/// CLIP's byte-level byte-pair encoding: text in, ids of `[BOS, ..., EOS, padding]` out.
///
/// Normalization (NFC, single spaces, lower case), splitting and merging give the ids of transformers' `CLIPTokenizer`.
/// Special tokens that are written out in a text become their ids, as there; a padding token is one of them, so with
/// `!` as padding every exclamation mark is cut out of its word.
public struct CLIPTokenizer: Sendable {
    public let bosID: Int
    public let eosID: Int
    public let padID: Int
    /// The id of what the vocabulary cannot spell; CLIP's is `eosID`.
    public let unknownID: Int
    /// The positions that the text model has; 77 unless the files say otherwise.
    public let modelMaxLength: Int
    /// One more than the largest id.
    public var vocabularySize: Int { tokens.count }

    /// Tokens by id; empty where an id is not used.
    let tokens: [String]
    let merges: [(pair: BytePairEncoder.Pair, id: Int)]
    let addedTokens: [AddedToken]
    private let ids: Vocabulary
    private let encoder: BytePairEncoder
    private let verbatimTokens: [(scalars: [Unicode.Scalar], id: Int)]
    private let normalizedTokens: [(scalars: [Unicode.Scalar], id: Int)]

    /// A token with its place in the text.
    public struct Span: Sendable, Equatable {
        public let id: Int
        /// Unicode scalars of the original text. A token that holds a part of a character covers all of it.
        public let range: Range<Int>
    }

    /// Reads `tokenizer.json`, or `vocab.json` and `merges.txt`, with `tokenizer_config.json` and
    /// `special_tokens_map.json` where they exist.
    /// - Parameter padToken: pads texts instead of the token that the files name.
    /// - Throws: `TokenizerError` naming the file that is missing or wrong.
    public init(folder: URL, padToken: String? = nil) throws {
        self.init(try CLIPTokenizerFiles.read(folder: folder.path, padToken: padToken))
    }

    init(_ definition: CLIPTokenizerDefinition) {
        bosID = definition.bos
        eosID = definition.eos
        padID = definition.pad
        unknownID = definition.unknown
        modelMaxLength = definition.modelMaxLength
        tokens = definition.tokens
        merges = definition.merges
        addedTokens = definition.addedTokens
        ids = definition.ids
        encoder = BytePairEncoder(vocabulary: definition.ids, merges: definition.merges, unknown: definition.unknown)
        verbatimTokens = addedTokens.filter { !$0.isNormalized }.map { (Array($0.content.unicodeScalars), $0.id) }
        normalizedTokens = addedTokens.filter(\.isNormalized).map { token in
            (TracedText(token.content).normalized().units.map(\.scalar), token.id)
        }
    }

    /// Whether texts have the same ids in both, whatever they are padded with.
    public func encodesAlike(_ other: CLIPTokenizer) -> Bool {
        tokens == other.tokens && merges.elementsEqual(other.merges) { $0 == $1 }
            && (bosID, eosID) == (other.bosID, other.eosID)
    }

    /// The ids of `text`, with nothing around them.
    public func encode(_ text: String) -> [Int] {
        spans(of: text).map(\.id)
    }

    /// The ids of `text` and which part of it each stands for.
    public func spans(of text: String) -> [Span] {
        var spans: [Span] = []
        func append(_ id: Int, _ units: ArraySlice<TracedText.Unit>) {
            guard let first = units.first, let last = units.last else { return }
            spans.append(Span(id: id, range: first.start..<last.end))
        }
        for part in TextPart.cut(TracedText(text), at: verbatimTokens) {
            switch part {
            case .token(let id, let units): append(id, units)
            case .text(let raw):
                for part in TextPart.cut(raw.normalized(), at: normalizedTokens) {
                    switch part {
                    case .token(let id, let units): append(id, units)
                    case .text(let text):
                        for word in CLIPSplitter.words(of: text) { spans += encode(word: word) }
                    }
                }
            }
        }
        return spans
    }

    private func encode(word: ArraySlice<TracedText.Unit>) -> [Span] {
        var bytes: [UInt8] = []
        var sources: [TracedText.Unit] = []
        for unit in word {
            for byte in UTF8.encode(unit.scalar) ?? UTF8.encodedReplacementCharacter {
                bytes.append(byte)
                sources.append(unit)
            }
        }
        var at = 0
        return encoder.encode(bytes).map { id, count in
            defer { at += count }
            return Span(id: id, range: sources[at].start..<sources[at + count - 1].end)
        }
    }

    /// The model's input: `BOS`, as much of the text as fits, `EOS`, then padding up to `length` ids.
    ///
    /// - Parameter length: at least 2; `modelMaxLength` unless given.
    public func tokens(for text: String, length: Int? = nil) -> [Int] {
        let length = length ?? modelMaxLength
        precondition(length >= 2, "CLIPTokenizer.tokens: expected a length of at least 2, found \(length)")
        let ids = [bosID] + encode(text).prefix(length - 2) + [eosID]
        return ids + [Int](repeating: padID, count: length - ids.count)
    }

    /// The text that the ids spell: lower-case, words and marks set apart by spaces, as the encoding forgets where
    /// there were none.
    ///
    /// - Parameter skippingSpecials: leaves out `BOS`, `EOS` and padding.
    public func decode(_ ids: [Int], skippingSpecials: Bool = true) -> String {
        let specials = Set(skippingSpecials ? addedTokens.filter(\.isSpecial).map(\.id) : [])
        var bytes: [UInt8] = []
        for id in ids where tokens.indices.contains(id) && !specials.contains(id) {
            bytes += ByteSymbols.bytes(of: tokens[id])
        }
        return String(decoding: spaced(bytes), as: UTF8.self).trimmed()
    }

    /// A space for each end of a word. On bytes, as a mark that follows the suffix would join it in a `String`.
    private func spaced(_ bytes: [UInt8]) -> [UInt8] {
        let suffix = Array(BytePairEncoder.endOfWord.utf8)
        var spaced: [UInt8] = []
        for byte in bytes {
            spaced.append(byte)
            if spaced.suffix(suffix.count).elementsEqual(suffix) {
                spaced.removeLast(suffix.count)
                spaced.append(UInt8(ascii: " "))
            }
        }
        return spaced
    }

    /// The vocabulary's spelling of an id (`cat</w>`); `nil` for an id that is not used.
    public func token(_ id: Int) -> String? {
        tokens.indices.contains(id) && !tokens[id].isEmpty ? tokens[id] : nil
    }

    public func id(ofToken token: String) -> Int? { ids[token] }
}

extension String {
    /// Without white space at either end.
    fileprivate func trimmed() -> String {
        let scalars = unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
    }
}
