/// One of several equal parts of a list of jobs, `2/5`: every fifth job, from the second on.
///
/// Which jobs a shard has depends on their numbers alone, so shards on any machines never overlap and miss nothing.
public struct Shard: Sendable, Hashable, CustomStringConvertible {
    /// From 1.
    public let index: Int
    public let count: Int

    public static let whole = Shard(1, of: 1)

    init(_ index: Int, of count: Int) {
        self.index = index
        self.count = count
    }

    /// Nil for a text that is not `i/n` with `1 <= i <= n`.
    public init?(_ text: String) {
        let numbers = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 2, let index = numbers[0], let count = numbers[1], count <= 1_000_000,
            (1...max(count, 1)).contains(index), count >= 1
        else { return nil }
        self.init(index, of: count)
    }

    /// - Parameter number: of a job, from 0.
    public func contains(_ number: Int) -> Bool { number % count == index - 1 }

    /// `journal.jsonl`, or `journal-2-of-5.jsonl` for a part.
    func fileName(_ kind: String) -> String {
        self == .whole ? "\(kind).jsonl" : "\(kind)-\(index)-of-\(count).jsonl"
    }

    public var description: String { "\(index)/\(count)" }
}
