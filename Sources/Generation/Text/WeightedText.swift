#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A prompt taken apart by the emphasis grammar that A1111 made common.
///
///     (x)      weight times 1.1          (x:1.3)  weight times 1.3
///     [x]      weight divided by 1.1     \( \) \[ \]  the character itself
///     BREAK    begins a new chunk of tokens, wherever it is a word of its own
///
/// Brackets nest and multiply; one that is never closed reaches to the end. A lone `)` or `]` is text.
struct WeightedText: Sendable, Hashable {
    struct Piece: Sendable, Hashable {
        var text: String
        var weight: Double
    }

    /// Pieces between `BREAK`s, neighbours of one weight joined.
    private(set) var parts: [[Piece]] = []

    init(_ prompt: String) {
        var reader = EmphasisReader(prompt)
        reader.read()
        var part: [Piece] = []
        for piece in reader.pieces {
            for (index, text) in Self.splitAtBreaks(piece.text).enumerated() {
                if index > 0 {
                    parts.append(Self.joined(part))
                    part = []
                }
                if !text.isEmpty { part.append(Piece(text: text, weight: piece.weight)) }
            }
        }
        parts.append(Self.joined(part))
    }

    var isWeighted: Bool { parts.contains { $0.contains { $0.weight != 1 } } }

    private static func joined(_ pieces: [Piece]) -> [Piece] {
        pieces.reduce(into: []) { joined, piece in
            if joined.last?.weight == piece.weight {
                joined[joined.count - 1].text += piece.text
            } else {
                joined.append(piece)
            }
        }
    }

    /// The text around each `BREAK` that is a word, without the space beside it: A1111's `\s*\bBREAK\b\s*`.
    private static func splitAtBreaks(_ text: String) -> [String] {
        let characters = Array(text)
        func isWord(_ index: Int) -> Bool {
            characters.indices.contains(index)
                && (characters[index].isLetter || characters[index].isNumber || characters[index] == "_")
        }
        let word = Array("BREAK")
        var (parts, start, index) = ([String](), 0, 0)
        while index + word.count <= characters.count {
            let end = index + word.count
            guard characters[index..<end].elementsEqual(word), !isWord(index - 1), !isWord(end) else {
                index += 1
                continue
            }
            let before = characters[start..<index].reversed().drop(while: \.isWhitespace).reversed()
            parts.append(String(before))
            index = characters[end...].firstIndex { !$0.isWhitespace } ?? characters.count
            start = index
        }
        return parts.isEmpty ? [text] : parts + [String(characters[start...])]
    }
}

/// Walks through a prompt once and keeps a stack of where brackets opened.
private struct EmphasisReader {
    private let characters: [Character]
    private(set) var pieces: [WeightedText.Piece] = []
    private var rounds: [Int] = []
    private var squares: [Int] = []
    private var position = 0

    init(_ prompt: String) { characters = Array(prompt) }

    mutating func read() {
        while position < characters.count {
            let character = characters[position]
            switch character {
            case "\\" where position + 1 < characters.count && "()[]\\".contains(characters[position + 1]):
                append(String(characters[position + 1]))
                position += 2
                continue
            // As in A1111, one that escapes nothing is dropped.
            case "\\": break
            case "(": rounds.append(pieces.count)
            case "[": squares.append(pieces.count)
            case ":" where !rounds.isEmpty:
                if let (weight, end) = weight(after: position) {
                    multiply(from: rounds.removeLast(), by: weight)
                    position = end
                    continue
                }
                append(":")
            case ")" where !rounds.isEmpty: multiply(from: rounds.removeLast(), by: 1.1)
            case "]" where !squares.isEmpty: multiply(from: squares.removeLast(), by: 1 / 1.1)
            default: append(String(character))
            }
            position += 1
        }
        for start in rounds { multiply(from: start, by: 1.1) }
        for start in squares { multiply(from: start, by: 1 / 1.1) }
    }

    /// Reads `1.3)` with blanks around the number; returns it with the position behind the bracket.
    private func weight(after colon: Int) -> (Double, Int)? {
        guard let close = characters[colon...].firstIndex(of: ")"), close - colon < 24 else { return nil }
        let inside = characters[(colon + 1)..<close].drop(while: \.isWhitespace)
        let text = String(inside.reversed().drop(while: \.isWhitespace).reversed())
        guard text.allSatisfy({ $0.isNumber || "+-.".contains($0) }), let weight = Double(text), weight.isFinite
        else { return nil }
        return (weight, close + 1)
    }

    private mutating func append(_ text: String) {
        // A bracket that opened here must be able to reach what follows it alone.
        let opensHere = rounds.last == pieces.count || squares.last == pieces.count
        if pieces.isEmpty || opensHere || pieces[pieces.count - 1].weight != 1 || isClosedPiece {
            pieces.append(WeightedText.Piece(text: text, weight: 1))
            closedCount = -1
        } else {
            pieces[pieces.count - 1].text += text
        }
    }

    /// The number of pieces when a bracket last closed: the last of them takes no more text.
    private var closedCount = -1
    private var isClosedPiece: Bool { closedCount == pieces.count }

    private mutating func multiply(from start: Int, by factor: Double) {
        for index in start..<pieces.count { pieces[index].weight *= factor }
        closedCount = pieces.count
    }
}
