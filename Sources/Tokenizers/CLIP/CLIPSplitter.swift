/// Cuts normalized text into the words that byte-pair encoding works on.
///
///     's | 't | 're | 've | 'm | 'll | 'd | \p{L}+ | \p{N} | [^\s\p{L}\p{N}]+
///
/// tried in this order at each position; white space falls away. Follows transformers `tokenization_clip.py`, whose
/// pattern also names the two special tokens. Where one of them is written in other letters (the exact spelling is cut
/// out earlier), its brackets end up as words of their own.
struct CLIPSplitter {
    private let units: [TracedText.Unit]

    static func words(of text: TracedText) -> [ArraySlice<TracedText.Unit>] {
        CLIPSplitter(units: text.units).words()
    }

    private enum Class {
        case space, letter, number, other

        init(_ scalar: Unicode.Scalar) {
            let properties = scalar.properties
            if properties.isWhitespace {
                self = .space
                return
            }
            switch properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
            case .decimalNumber, .letterNumber, .otherNumber: self = .number
            default: self = .other
            }
        }
    }

    private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map { Array($0.unicodeScalars) }
    private static let specials = ["startoftext", "endoftext"].map { name in
        ["<|", name, "|>"].map { Array($0.unicodeScalars) }
    }

    private init(units: [TracedText.Unit]) {
        self.units = units
    }

    private func words() -> [ArraySlice<TracedText.Unit>] {
        let classes = units.map { Class($0.scalar) }
        var words: [ArraySlice<TracedText.Unit>] = []
        var at = 0
        while at < units.count {
            if let parts = Self.specials.first(where: { matches(Array($0.joined()), at: at) }) {
                for part in parts {
                    words.append(units[at..<at + part.count])
                    at += part.count
                }
                continue
            }
            let start = at
            if let contraction = Self.contractions.first(where: { matches($0, at: at) }) {
                at += contraction.count
            } else if classes[at] == .number {
                at += 1
            } else {
                while at < units.count && classes[at] == classes[start] { at += 1 }
            }
            if classes[start] != .space { words.append(units[start..<at]) }
        }
        return words
    }

    private func matches(_ literal: [Unicode.Scalar], at position: Int) -> Bool {
        position + literal.count <= units.count
            && literal.indices.allSatisfy { units[position + $0].scalar == literal[$0] }
    }
}
