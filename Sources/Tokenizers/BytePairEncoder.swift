/// Byte-pair encoding with CLIP's end-of-word suffix: a word starts as one symbol a byte, the last one marked `</w>`,
/// and the adjacent pair that was learnt first is merged, leftmost first, until no known pair is left.
///
/// A queue of candidate merges over a linked list of symbols keeps a word of n bytes at O(n log n).
struct BytePairEncoder: Sendable {
    static let endOfWord = "</w>"

    /// The ids of the 256 bytes inside a word and at its end.
    let inner: [Int]
    let final: [Int]
    private let merges: [Pair: Merge]

    struct Pair: Hashable, Sendable {
        var left: Int
        var right: Int
    }

    private struct Merge: Sendable {
        var rank: Int
        var id: Int
    }

    /// - Parameters:
    ///   - merges: pairs and what they become, earliest learnt first.
    ///   - unknown: the id of bytes that the vocabulary lacks.
    init(vocabulary: [String: Int], merges: [(pair: Pair, id: Int)], unknown: Int) {
        let symbols = (UInt8.min ... .max).map(ByteSymbols.symbol)
        inner = symbols.map { vocabulary[$0] ?? unknown }
        final = symbols.map { vocabulary[$0 + Self.endOfWord] ?? unknown }
        var table: [Pair: Merge] = [:]
        table.reserveCapacity(merges.count)
        for (rank, merge) in merges.enumerated() { table[merge.pair] = Merge(rank: rank, id: merge.id) }
        self.merges = table
    }

    /// The tokens of one word, with the number of its bytes that each covers.
    func encode(_ word: [UInt8]) -> [(id: Int, bytes: Int)] {
        guard let last = word.last else { return [] }
        var symbols = word.dropLast().map { inner[Int($0)] } + [final[Int(last)]]
        var lengths = [Int](repeating: 1, count: word.count)  // 0: merged into a symbol on the left
        var next = Array(1...word.count)
        var previous = Array(-1..<word.count - 1)
        var queue = CandidateQueue()

        func propose(_ left: Int) {
            guard left >= 0, next[left] < symbols.count else { return }
            let pair = Pair(left: symbols[left], right: symbols[next[left]])
            if let merge = merges[pair] {
                queue.push(Candidate(rank: merge.rank, position: left, pair: pair, id: merge.id))
            }
        }

        for position in symbols.indices { propose(position) }
        while let best = queue.pop() {
            let left = best.position
            guard lengths[left] > 0, case let right = next[left], right < symbols.count,
                symbols[left] == best.pair.left, symbols[right] == best.pair.right
            else { continue }  // one of the two has changed since
            symbols[left] = best.id
            lengths[left] += lengths[right]
            lengths[right] = 0
            next[left] = next[right]
            if next[left] < symbols.count { previous[next[left]] = left }
            propose(previous[left])
            propose(left)
        }
        return symbols.indices.filter { lengths[$0] > 0 }.map { (symbols[$0], lengths[$0]) }
    }
}

private struct Candidate {
    var rank: Int
    var position: Int
    var pair: BytePairEncoder.Pair
    var id: Int

    static func < (a: Candidate, b: Candidate) -> Bool { (a.rank, a.position) < (b.rank, b.position) }
}

/// A binary heap, smallest rank and then leftmost position first.
private struct CandidateQueue {
    private var heap: [Candidate] = []

    mutating func push(_ candidate: Candidate) {
        heap.append(candidate)
        var child = heap.count - 1
        while child > 0, case let parent = (child - 1) / 2, heap[child] < heap[parent] {
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Candidate? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var parent = 0
        while case let left = 2 * parent + 1, left < heap.count {
            let right = left + 1
            let child = right < heap.count && heap[right] < heap[left] ? right : left
            guard heap[child] < heap[parent] else { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return first
    }
}
