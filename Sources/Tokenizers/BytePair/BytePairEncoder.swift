/// Byte-pair encoding with CLIP's end-of-word suffix: a word starts as one symbol a byte, the last one marked `</w>`.
struct BytePairEncoder: Sendable {
    static let endOfWord = "</w>"

    typealias Pair = MergeTable.Pair

    /// The ids of the 256 bytes inside a word and at its end.
    let inner: [Int]
    let final: [Int]
    private let merges: MergeTable

    /// - Parameters:
    ///   - merges: pairs and what they become, earliest learnt first.
    ///   - unknown: the id of bytes that the vocabulary lacks.
    init(vocabulary: Vocabulary, merges: [(pair: Pair, id: Int)], unknown: Int) {
        let symbols = (UInt8.min ... .max).map(ByteSymbols.symbol)
        inner = symbols.map { vocabulary[$0] ?? unknown }
        final = symbols.map { vocabulary[$0 + Self.endOfWord] ?? unknown }
        self.merges = MergeTable(merges)
    }

    /// The tokens of one word, with the number of its bytes that each covers.
    func encode(_ word: [UInt8]) -> [(id: Int, bytes: Int)] {
        guard let last = word.last else { return [] }
        return merges.merged(word.dropLast().map { inner[Int($0)] } + [final[Int(last)]]).map { ($0.id, $0.count) }
    }
}
