/// Learns a small vocabulary in CLIP's layout from words and how often each occurs.
///
/// Again and again, the pair of adjacent symbols that occurs most often becomes one symbol. The ids are CLIP's: 256
/// bytes, the same with `</w>`, one id a merge, then start and end of text. Equal input gives equal output: of pairs
/// that occur equally often, the one with the smaller ids is merged.
public struct BPETrainer: Sendable {
    /// The most merges to learn; the vocabulary has `514 + merges` tokens.
    public var merges: Int
    /// Pairs that occur less often than this are left apart.
    public var minimumCount: Int

    public init(merges: Int, minimumCount: Int = 2) {
        precondition(merges >= 0, "BPETrainer: expected merges >= 0, found \(merges)")
        self.merges = merges
        self.minimumCount = minimumCount
    }

    /// - Parameter words: words or longer texts, with counts; they are normalized and split as `CLIPTokenizer` does.
    public func train(
        on words: some Sequence<(word: String, count: Int)>,
        modelMaxLength: Int = 77
    ) throws -> CLIPTokenizer {
        var tokens = ByteSymbols.order.map(ByteSymbols.symbol)
        tokens += tokens.map { $0 + BytePairEncoder.endOfWord }
        var corpus = Corpus(words: words)
        var ids = Vocabulary(zip(tokens, tokens.indices))
        var learnt: [(left: String, right: String)] = []
        while learnt.count < merges, let best = corpus.mostFrequentPair(atLeast: minimumCount) {
            let (left, right) = (tokens[best.left], tokens[best.right])
            learnt.append((left, right))
            // Two pairs may spell the same token ("a" + "aa", "aa" + "a"): it keeps its first id.
            let id = ids[left + right] ?? tokens.count
            if id == tokens.count { tokens.append(left + right) }
            ids[left + right] = id
            corpus.merge(best, into: id)
        }
        let specials = [CLIPTokenizerDefinition.startOfText, CLIPTokenizerDefinition.endOfText]
        let added = specials.enumerated().map {
            AddedToken(content: $1, id: tokens.count + $0, isNormalized: false, isSpecial: true)
        }
        return CLIPTokenizer(
            try CLIPTokenizerDefinition(
                vocabulary: ids, merges: learnt, addedTokens: added, specials: .init(), modelMaxLength: modelMaxLength,
                vocabularyPath: "trained vocabulary", mergesPath: "trained merges"))
    }
}

/// The words as ids, and how often each pair of neighbours occurs among them.
private struct Corpus {
    typealias Pair = BytePairEncoder.Pair

    private var words: [(ids: [Int], count: Int)] = []
    private var counts: [Pair: Int] = [:]
    /// Words that hold, or once held, a pair.
    private var places: [Pair: Set<Int>] = [:]

    init(words texts: some Sequence<(word: String, count: Int)>) {
        var occurrences: [[UInt8]: Int] = [:]
        for (text, count) in texts where count > 0 {
            for word in CLIPSplitter.words(of: TracedText(text).normalized()) {
                let bytes = word.flatMap { Array(String(Character($0.scalar)).utf8) }
                occurrences[bytes, default: 0] += count
            }
        }
        var rank = [Int](repeating: 0, count: 256)
        for (index, byte) in ByteSymbols.order.enumerated() { rank[Int(byte)] = index }
        // In a fixed order, so that nothing depends on the dictionary's.
        for (bytes, count) in occurrences.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            var ids = bytes.map { rank[Int($0)] }
            ids[ids.count - 1] += 256
            words.append((ids, count))
            add(word: words.count - 1, times: 1)
        }
    }

    private mutating func add(word index: Int, times sign: Int) {
        let (ids, count) = words[index]
        for (left, right) in zip(ids, ids.dropFirst()) {
            let pair = Pair(left: left, right: right)
            let total = counts[pair, default: 0] + sign * count
            counts[pair] = total == 0 ? nil : total
            if sign > 0 { places[pair, default: []].insert(index) }
        }
    }

    func mostFrequentPair(atLeast minimum: Int) -> Pair? {
        let best = counts.max { a, b in (a.value, -a.key.left, -a.key.right) < (b.value, -b.key.left, -b.key.right) }
        return best.flatMap { $0.value >= max(1, minimum) ? $0.key : nil }
    }

    mutating func merge(_ pair: Pair, into id: Int) {
        for index in places.removeValue(forKey: pair) ?? [] {
            add(word: index, times: -1)
            let ids = words[index].ids
            var merged: [Int] = []
            var at = 0
            while at < ids.count {
                let isPair = at + 1 < ids.count && ids[at] == pair.left && ids[at + 1] == pair.right
                merged.append(isPair ? id : ids[at])
                at += isPair ? 2 : 1
            }
            words[index].ids = merged
            add(word: index, times: 1)
        }
    }
}
