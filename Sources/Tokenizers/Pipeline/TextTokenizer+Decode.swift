extension TextTokenizer {
    /// The text of tokens. Bytes that are not UTF-8 become replacement characters.
    ///
    /// - Parameter skipsSpecials: whether special tokens are left out.
    public func decode(_ ids: some Sequence<Int>, skipsSpecials: Bool = false) -> String {
        var bytes: [UInt8] = []
        // Special tokens, and tokens of bytes, stand apart: what is on either side of them is text of its own.
        var text = ""
        func flush() {
            guard !bytes.isEmpty else { return }
            text += decoded(bytes)
            bytes = []
        }
        var isFirst = true
        for id in ids where tokens.indices.contains(id) && !(skipsSpecials && specials.contains(id)) {
            let token = tokens[id]
            defer { isFirst = false }
            if addedIDs.contains(id) {
                flush()
                text += token
                continue
            }
            switch alphabet {
            case .bytes: bytes += ByteSymbols.bytes(of: token)
            case .characters(let stripsSpace):
                if let byte = Self.byte(token) {
                    bytes.append(byte)
                    continue
                }
                flush()
                // By scalars: to a `Character` a mark after either of the two belongs to it.
                var piece = token.unicodeScalars.map { $0 == "▁" ? " " : $0 }
                if isFirst, stripsSpace, piece.first == " " { piece.removeFirst() }
                text.unicodeScalars.append(contentsOf: piece)
            }
        }
        flush()
        return text
    }

    /// For characters spelt in bytes, one bad byte makes all of the run replacement characters, one for each.
    private func decoded(_ bytes: [UInt8]) -> String {
        if alphabet == .bytes { return String(decoding: bytes, as: UTF8.self) }
        return String(validating: bytes, as: UTF8.self) ?? String(repeating: "\u{FFFD}", count: bytes.count)
    }

    /// The byte that `<0xE2>` spells.
    private static func byte(_ token: String) -> UInt8? {
        let letters = Array(token.utf8)
        guard letters.count == 6, letters.starts(with: "<0x".utf8), letters[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: letters[3..<5], as: UTF8.self), radix: 16)
    }
}

/// The text of tokens as they come, complete characters only.
public struct StreamingText: Sendable {
    private let tokenizer: TextTokenizer
    /// The latest tokens, and how many bytes of their text are out.
    private var pending: [Int] = []
    private var shown = 0

    public init(_ tokenizer: TextTokenizer) { self.tokenizer = tokenizer }

    /// What a further token adds: empty while a character lacks bytes.
    public mutating func append(_ id: Int) -> String {
        pending.append(id)
        let text = tokenizer.decode(pending, skipsSpecials: true)
        guard text.unicodeScalars.last != "\u{FFFD}" else { return "" }
        let new = rest(of: text)
        shown = text.utf8.count
        // The start of a text is decoded apart from the rest: some tokens stay before those that come.
        if pending.count > 64 {
            pending = Array(pending.suffix(8))
            shown = tokenizer.decode(pending, skipsSpecials: true).utf8.count
        }
        return new
    }

    /// What is left at the end, incomplete characters as replacements.
    public mutating func finish() -> String {
        defer { (pending, shown) = ([], 0) }
        return rest(of: tokenizer.decode(pending, skipsSpecials: true))
    }

    private func rest(of text: String) -> String { String(decoding: text.utf8.dropFirst(shown), as: UTF8.self) }
}
