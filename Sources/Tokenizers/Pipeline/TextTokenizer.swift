/// A token of a text.
public struct TextToken: Sendable, Equatable {
    public let id: Int
    /// The characters (Unicode scalars) of the text that it stands for; empty for tokens that were added around it.
    public let range: Range<Int>

    public init(id: Int, range: Range<Int>) {
        self.id = id
        self.range = range
    }
}

/// The tokenizer of a language model: byte-pair encoding of bytes or of characters, with the steps before and after.
///
/// It comes from a `tokenizer.json` or from the metadata of a GGUF file.
public struct TextTokenizer: Sendable {
    /// How a piece of text becomes symbols, and tokens become text.
    enum Alphabet: Sendable, Equatable {
        /// Each byte is a symbol, written as in `ByteSymbols`.
        case bytes
        /// Each character is a symbol; those that are none are spelt in bytes `<0xE2>` where the vocabulary has them.
        /// Decoding takes away one leading space where `stripsSpace` says so.
        case characters(stripsSpace: Bool)
    }

    let tokens: [String]
    let ids: Vocabulary
    let specials: Set<Int>
    let addedIDs: Set<Int>
    let alphabet: Alphabet
    let normalization: [TextStep]
    let splitting: [TextStep]
    let merges: MergeTable
    /// Whether a piece that is a token itself is taken whole.
    let takesWholePieces: Bool
    let unknown: Int?
    /// Whether neighbouring unknown characters are one token.
    let fusesUnknown: Bool
    let before: [Int]
    let after: [Int]
    /// Whether white space at the edges of a token is left out of its range.
    let trimsRanges: Bool
    private let rawTokens: [(scalars: [Unicode.Scalar], id: Int)]
    private let normalizedTokens: [(scalars: [Unicode.Scalar], id: Int)]
    private let byteIDs: [Int?]
    /// Whether one space at the start of a text counts as added, and stays in the range of the first token.
    private let allowsSpaceFirst: Bool

    init(_ definition: TextTokenizerDefinition) throws {
        let listed = try definition.listed()
        tokens = listed.tokens
        ids = listed.ids
        specials = Set(definition.addedTokens.filter(\.isSpecial).map(\.id))
        addedIDs = Set(definition.addedTokens.map(\.id))
        alphabet = definition.alphabet
        normalization = definition.normalization
        splitting = definition.splitting
        merges = MergeTable(try definition.mergePairs(listed.ids))
        takesWholePieces = definition.takesWholePieces
        unknown = definition.unknown.flatMap { listed.ids[$0] }
        fusesUnknown = definition.fusesUnknown
        before = definition.before
        after = definition.after
        trimsRanges = definition.trimsRanges
        func scalars(_ isNormalized: Bool) -> [(scalars: [Unicode.Scalar], id: Int)] {
            definition.addedTokens.filter { $0.isNormalized == isNormalized }.map {
                (Array($0.content.unicodeScalars), $0.id)
            }
        }
        rawTokens = scalars(false)
        normalizedTokens = scalars(true)
        let ids = listed.ids
        byteIDs = (UInt8.min ... .max).map { byte in
            definition.alphabet == .bytes ? ids[ByteSymbols.symbol(byte)] : ids[Self.spelled(byte)]
        }
        allowsSpaceFirst = definition.allowsSpaceFirst
    }

    public var vocabularySize: Int { tokens.count }

    /// The id of a token by its exact text, such as `<|im_end|>`.
    public func id(of token: String) -> Int? { ids[token] }

    /// The text of a token in the vocabulary's own spelling.
    public func token(_ id: Int) -> String? { tokens.indices.contains(id) ? tokens[id] : nil }

    public func isSpecial(_ id: Int) -> Bool { specials.contains(id) }

    /// The tokens of a text.
    ///
    /// - Parameter addsSpecials: whether the tokens that begin and end every text come around it. Special tokens that the
    ///   text itself spells out are found in either case.
    public func encode(_ text: String, addsSpecials: Bool = true) -> [TextToken] {
        var result: [TextToken] = []
        for part in TextPart.cut(TracedText(text), at: rawTokens) {
            switch part {
            case .token(let id, let units): result.append(TextToken(id: id, range: Self.range(units)))
            case .text(let text):
                let isStart = (text.units.first?.start ?? 0) == 0
                let normal = normalization.reduce([text]) { $1.apply($0, isStart: isStart) }
                for part in normal.flatMap({ TextPart.cut($0, at: normalizedTokens) }) {
                    switch part {
                    case .token(let id, let units): result.append(TextToken(id: id, range: Self.range(units)))
                    case .text(let text):
                        let isStart = (text.units.first?.start ?? 0) == 0
                        let pieces = splitting.reduce([text]) { $1.apply($0, isStart: isStart) }
                        for piece in pieces { encode(piece, into: &result) }
                    }
                }
            }
        }
        if trimsRanges { result = result.enumerated().map { trimmed($1, isFirst: $0 == 0) } }
        guard addsSpecials else { return result }
        func around(_ ids: [Int]) -> [TextToken] { ids.map { TextToken(id: $0, range: 0..<0) } }
        return around(before) + result + around(after)
    }

    private func encode(_ piece: TracedText, into result: inout [TextToken]) {
        let (symbols, units) = alphabet == .bytes ? byteSymbols(piece) : characterSymbols(piece)
        guard !symbols.isEmpty else { return }
        if takesWholePieces {
            let whole =
                alphabet == .bytes
                ? units.reduce(into: "") { $0.unicodeScalars.append($1.scalar) } : piece.string
            if let id = ids[whole] {
                result.append(TextToken(id: id, range: Self.range(units[...])))
                return
            }
        }
        var at = 0
        for (id, count) in merges.merged(symbols) {
            result.append(TextToken(id: id, range: Self.range(units[at..<at + count])))
            at += count
        }
    }

    /// One symbol a byte; bytes that the vocabulary lacks are left out, as the reference does without an unknown token.
    private func byteSymbols(_ piece: TracedText) -> ([Int], [TracedText.Unit]) {
        var (symbols, units) = ([Int](), [TracedText.Unit]())
        for unit in piece.units {
            for byte in String(Character(unit.scalar)).utf8 {
                guard let id = byteIDs[Int(byte)] ?? unknown else { continue }
                symbols.append(id)
                units.append(TracedText.Unit(scalar: ByteSymbols.scalar(byte), start: unit.start, end: unit.end))
            }
        }
        return (symbols, units)
    }

    private func characterSymbols(_ piece: TracedText) -> ([Int], [TracedText.Unit]) {
        var (symbols, units) = ([Int](), [TracedText.Unit]())
        for unit in piece.units {
            let character = String(Character(unit.scalar))
            if let id = ids[character] {
                symbols.append(id)
                units.append(unit)
                continue
            }
            let bytes = character.utf8.map { byteIDs[Int($0)] }
            if bytes.allSatisfy({ $0 != nil }) {
                symbols += bytes.compactMap { $0 }
                units += bytes.map { _ in unit }
            } else if let unknown {
                if fusesUnknown, symbols.last == unknown, let last = units.last {
                    units[units.count - 1].end = max(last.end, unit.end)
                } else {
                    symbols.append(unknown)
                    units.append(unit)
                }
            }
        }
        return (symbols, units)
    }

    private static func range(_ units: ArraySlice<TracedText.Unit>) -> Range<Int> {
        guard let first = units.first, let last = units.last else { return 0..<0 }
        return first.start..<max(last.end, first.start)
    }

    /// A range without the white space at a token's edges.
    ///
    /// Follows tokenizers `byte_level.rs`, process_offsets.
    private func trimmed(_ token: TextToken, isFirst: Bool) -> TextToken {
        let (range, id) = (token.range, token.id)
        func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar == "Ġ" || scalar.properties.isWhitespace }
        let scalars = Array(tokens[id].unicodeScalars)
        var leading = scalars.prefix(while: isSpace).count
        let trailing = scalars.reversed().prefix(while: isSpace).count
        var (start, end) = (range.lowerBound, range.upperBound)
        if leading > 0 {
            if allowsSpaceFirst, leading == 1, isFirst || start == 0 { leading = 0 }
            start = min(start + leading, end)
        }
        if trailing > 0, end >= trailing { end = max(end - trailing, start) }
        return TextToken(id: id, range: start..<end)
    }

    static func spelled(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
    }
}
