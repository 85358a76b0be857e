/// The splitting patterns of byte-level tokenizers: where a text is cut before bytes are paired.
///
/// Each is one regular expression in tokenizer files. They differ in few places, which are written out here; a pattern
/// that is none of these is refused.
struct SplitPattern: Sendable, Equatable {
    /// Whether 's, 't and so on are found in capitals, too.
    var ignoresCase = false
    /// Whether a word may begin with any one character that is no line break, instead of a space.
    var takesAnyPrefix = false
    /// The most digits of a number; nil for any.
    var digits: Int?
    /// Whether line breaks end what is before them: punctuation takes those that follow, white space ends with them.
    var endsAtLineBreaks = false

    ///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
    static let gpt2 = SplitPattern()
    ///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|...
    static let llama3 = SplitPattern(ignoresCase: true, takesAnyPrefix: true, digits: 3, endsAtLineBreaks: true)
    /// Llama 3's, with every digit on its own.
    static let qwen2 = SplitPattern(ignoresCase: true, takesAnyPrefix: true, digits: 1, endsAtLineBreaks: true)

    /// The pattern of a regular expression, or nil for one that is not built here.
    init?(regex: String) {
        let words = #"'s|'t|'re|'ve|'m|'ll|'d"#
        let rest = #"|\s+(?!\S)|\s+"#
        func modern(_ digits: String) -> String {
            #"(?i:"# + words + #")|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + digits
                + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"# + rest
        }
        let known: [String: SplitPattern] = [
            words + #"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"# + rest: .gpt2,
            modern("{1,3}"): .llama3,
            modern(""): .qwen2,
        ]
        guard let pattern = known[regex] else { return nil }
        self = pattern
    }

    private init(
        ignoresCase: Bool = false, takesAnyPrefix: Bool = false, digits: Int? = nil, endsAtLineBreaks: Bool = false
    ) {
        self.ignoresCase = ignoresCase
        self.takesAnyPrefix = takesAnyPrefix
        self.digits = digits
        self.endsAtLineBreaks = endsAtLineBreaks
    }

    /// The pieces of a text, none left out.
    func split(_ text: TracedText) -> [TracedText] {
        let scan = Scan(pattern: self, units: text.units)
        var pieces: [TracedText] = []
        var at = 0
        while at < text.units.count {
            let end = scan.end(from: at)
            pieces.append(TracedText(units: text.units[at..<end]))
            at = end
        }
        return pieces
    }
}

private struct Scan {
    let pattern: SplitPattern
    let scalars: [Unicode.Scalar]
    let classes: [ScalarClass]

    private static let contractions = ["s", "t", "re", "ve", "m", "ll", "d"].map { Array($0.unicodeScalars) }

    init(pattern: SplitPattern, units: [TracedText.Unit]) {
        self.pattern = pattern
        scalars = units.map(\.scalar)
        classes = scalars.map { ScalarClass($0) }
    }

    /// Where the piece that begins at a place ends: the alternatives of the pattern, in its order.
    func end(from start: Int) -> Int {
        if let end = contractionEnd(start) { return end }
        if let end = wordEnd(start) { return end }
        let hasSpace = scalars[start] == " " && start + 1 < classes.count
        if let limit = pattern.digits {
            if classes[start] == .number { return run(.number, from: start, most: limit) }
        } else {
            let first = hasSpace ? start + 1 : start
            if classes[first] == .number { return run(.number, from: first) }
        }
        let first = hasSpace ? start + 1 : start
        if classes[first] == .other {
            var end = run(.other, from: first)
            while pattern.endsAtLineBreaks, end < scalars.count, isLineBreak(end) { end += 1 }
            return end
        }
        return spaceEnd(start)
    }

    private func contractionEnd(_ start: Int) -> Int? {
        guard scalars[start] == "'" else { return nil }
        for letters in Self.contractions where start + letters.count < scalars.count {
            let matches = letters.indices.allSatisfy { place in
                let scalar = scalars[start + 1 + place]
                return scalar == letters[place]
                    || (pattern.ignoresCase && scalar.isASCII && scalar.value | 0x20 == letters[place].value)
            }
            if matches { return start + 1 + letters.count }
        }
        return nil
    }

    private func wordEnd(_ start: Int) -> Int? {
        if classes[start] == .letter { return run(.letter, from: start) }
        guard start + 1 < classes.count, classes[start + 1] == .letter else { return nil }
        let isPrefix =
            pattern.takesAnyPrefix ? !isLineBreak(start) && classes[start] != .number : scalars[start] == " "
        return isPrefix ? run(.letter, from: start + 1) : nil
    }

    /// White space: up to its last line break where the pattern minds them; else all but the last character where
    /// something follows.
    private func spaceEnd(_ start: Int) -> Int {
        let end = run(.space, from: start)
        if pattern.endsAtLineBreaks, let last = (start..<end).last(where: isLineBreak) { return last + 1 }
        return end == scalars.count || end - start == 1 ? end : end - 1
    }

    private func run(_ kind: ScalarClass, from start: Int, most: Int = .max) -> Int {
        var end = start
        while end < classes.count, classes[end] == kind, end - start < most { end += 1 }
        return end
    }

    private func isLineBreak(_ place: Int) -> Bool { scalars[place] == "\r" || scalars[place] == "\n" }
}
