/// The ids of tokens by their texts, scalar for scalar.
///
/// Strings of Swift are equal when they are canonically equivalent: the kelvin sign and K, the ohm sign and omega, an
/// accent apart and composed. To a vocabulary they are different tokens.
struct Vocabulary: Sendable {
    private var ids: [Spelling: Int] = [:]

    /// A text that equals none but itself.
    private struct Spelling: Hashable, Sendable {
        let text: String

        static func == (a: Spelling, b: Spelling) -> Bool { a.text.isSpelled(b.text) }

        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    init() {}

    /// - Parameter entries: tokens and ids; of one text that comes twice, the later id counts.
    init(_ entries: some Sequence<(String, Int)>) {
        for (token, id) in entries { self[token] = id }
    }

    var count: Int { ids.count }
    var isEmpty: Bool { ids.isEmpty }
    var values: some Collection<Int> { ids.values }
    var entries: some Collection<(token: String, id: Int)> { ids.lazy.map { (token: $0.key.text, id: $0.value) } }

    subscript(token: String) -> Int? {
        get { ids[Spelling(text: token)] }
        set { ids[Spelling(text: token)] = newValue }
    }

    mutating func reserveCapacity(_ count: Int) { ids.reserveCapacity(count) }
}

extension String {
    /// Whether both have the same scalars; `==` asks for less.
    func isSpelled(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    /// The parts between spaces. A mark after a space does not join it here, as it does in a `Character`.
    var partsBetweenSpaces: [String] {
        unicodeScalars.split(separator: " ", omittingEmptySubsequences: false).map { String($0) }
    }
}
