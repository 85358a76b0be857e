import TensorCore
import TextModels
import Tokenizers

/// The words that files add to a text encoder's vocabulary; each stands for one vector or several.
struct AddedWords: Sendable {
    /// `[count, width]`: the vectors of the ids from the encoder's vocabulary size on.
    let vectors: Tensor?
    /// The longest first, so that a word wins over one that it contains.
    private let words: [(text: String, ids: Range<Int>)]

    static let none = AddedWords()

    private init() {
        vectors = nil
        words = []
    }

    /// - Parameters:
    ///   - key: `clip_l` or `clip_g`, the encoder's name in files that hold vectors for both.
    ///   - capacity: the most vectors that a window has room for.
    init(
        _ inversions: [TextualInversion], for model: CLIPTextConfiguration, key: String, isOnly: Bool, capacity: Int
    ) throws {
        var words: [(text: String, ids: Range<Int>)] = []
        var tensors: [Tensor] = []
        var next = model.vocabularySize
        for inversion in inversions {
            let vectors = try inversion.vectors(key: key, width: model.hiddenSize, isOnly: isOnly)
            guard vectors.size(0) <= capacity else {
                throw GenerationError(
                    inversion.path, expected: "at most \(capacity) vectors", found: "\(vectors.size(0))")
            }
            words.append((TextualInversion.word(of: inversion.path), next..<next + vectors.size(0)))
            next += vectors.size(0)
            tensors.append(vectors.converted(to: .float32))
        }
        self.words = words.sorted { $0.text.count > $1.text.count }
        vectors = tensors.isEmpty ? nil : concatenated(tensors, axis: 0)
    }

    /// The ids of a text: those of each added word together, all others alone.
    func units(of text: String, _ tokenizer: CLIPTokenizer) -> [[Int]] {
        guard !words.isEmpty else { return tokenizer.encode(text).map { [$0] } }
        let characters = Array(text)
        var found: [(range: Range<Int>, ids: Range<Int>)] = []
        for word in words {
            for range in Self.ranges(of: word.text, in: characters)
            where !found.contains(where: { $0.range.overlaps(range) }) {
                found.append((range, word.ids))
            }
        }
        var units: [[Int]] = []
        var position = 0
        func append(upTo end: Int) {
            units += tokenizer.encode(String(characters[position..<end])).map { [$0] }
        }
        for (range, ids) in found.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            append(upTo: range.lowerBound)
            units.append(Array(ids))
            position = range.upperBound
        }
        append(upTo: characters.count)
        return units
    }

    /// Where a word stands by itself in a text, in any case: no letter, digit, hyphen or underscore beside it.
    static func ranges(of word: String, in text: [Character]) -> [Range<Int>] {
        let wanted = word.map { $0.lowercased() }
        guard !wanted.isEmpty, wanted.count <= text.count else { return [] }
        func isPart(_ index: Int) -> Bool {
            text.indices.contains(index)
                && (text[index].isLetter || text[index].isNumber || "-_".contains(text[index]))
        }
        var ranges: [Range<Int>] = []
        var start = 0
        while start + wanted.count <= text.count {
            let range = start..<start + wanted.count
            if !isPart(start - 1), !isPart(range.upperBound),
                zip(text[range], wanted).allSatisfy({ $0.lowercased() == $1 })
            {
                ranges.append(range)
                start = range.upperBound
            } else {
                start += 1
            }
        }
        return ranges
    }
}
