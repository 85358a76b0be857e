/// The pairs of symbols that byte-pair encoding joins, and in which order.
///
/// The adjacent pair that was learnt first is merged, leftmost first, until no known pair is left. A queue of candidate
/// merges over a linked list of symbols keeps a word of n symbols at O(n log n).
struct MergeTable: Sendable {
    private let merges: [Pair: Merge]

    struct Pair: Hashable, Sendable {
        var left: Int
        var right: Int
    }

    private struct Merge: Sendable {
        var rank: Int
        var id: Int
    }

    /// - Parameter merges: pairs and what they become, earliest learnt first.
    init(_ merges: [(pair: Pair, id: Int)]) {
        var table: [Pair: Merge] = [:]
        table.reserveCapacity(merges.count)
        for (rank, merge) in merges.enumerated() { table[merge.pair] = Merge(rank: rank, id: merge.id) }
        self.merges = table
    }

    /// Joins symbols, each of one piece of text.
    ///
    /// - Returns: what is left, with the number of pieces that each symbol covers.
    func merged(_ pieces: [Int]) -> [(id: Int, count: Int)] {
        if pieces.count < 2 { return pieces.map { ($0, 1) } }
        var symbols = pieces
        var lengths = [Int](repeating: 1, count: symbols.count)  // 0: merged into a symbol on the left
        var next = Array(1...symbols.count)
        var previous = Array(-1..<symbols.count - 1)
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
    var pair: MergeTable.Pair
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
