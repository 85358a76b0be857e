/// A table under decoding: every question about a key is noted.
struct RecipeTable<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: RecipeDecoder
    let pairs: [(key: String, value: RecipeNode)]
    private let values: [String: RecipeNode]

    init(decoder: RecipeDecoder, pairs: [(key: String, value: RecipeNode)]) {
        self.decoder = decoder
        self.pairs = pairs
        values = Dictionary(pairs.map { ($0.key, $0.value) }) { first, _ in first }
    }

    var codingPath: [any CodingKey] { decoder.codingPath }

    var allKeys: [Key] {
        decoder.log.listed.insert(decoder.place)
        return pairs.compactMap { Key(stringValue: $0.key) }
    }

    private func name(_ key: Key) -> String {
        decoder.log.listed.contains(decoder.place) ? key.stringValue : RecipeDecoder.spelling(key)
    }

    private func value(_ key: Key) -> RecipeNode? {
        let name = name(key)
        decoder.log.asked[decoder.place, default: []].insert(name)
        return values[name]
    }

    private func child(_ key: Key) throws -> RecipeDecoder {
        let name = name(key)
        guard let value = value(key) else {
            let asked = decoder.log.asked[decoder.place] ?? []
            let similar = Spelling.nearest(to: name, among: pairs.map(\.key).filter { !asked.contains($0) })
            let context = decoder.problem(
                expected: "a value", found: similar.map { "none (but \"\($0)\")" } ?? "none",
                key: decoder.place.appending(.key(name)).description)
            throw DecodingError.keyNotFound(key, context)
        }
        return decoder.nested(value, .key(name), key)
    }

    func contains(_ key: Key) -> Bool { value(key) != nil }

    func decodeNil(forKey key: Key) throws -> Bool { try RecipeValue(decoder: child(key)).decodeNil() }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try child(key).decode(type) }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try child(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try child(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { decoder }

    func superDecoder(forKey key: Key) throws -> any Decoder { try child(key) }
}

/// A list under decoding.
struct RecipeList: UnkeyedDecodingContainer {
    let decoder: RecipeDecoder
    let values: [RecipeNode]
    private(set) var currentIndex = 0

    init(decoder: RecipeDecoder, values: [RecipeNode]) {
        self.decoder = decoder
        self.values = values
    }

    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { values.count }
    var isAtEnd: Bool { currentIndex >= values.count }

    private struct Index: CodingKey {
        let index: Int
        var stringValue: String { "\(index)" }
        var intValue: Int? { index }
        init(_ index: Int) { self.index = index }
        init?(stringValue: String) { nil }
        init?(intValue: Int) { index = intValue }
    }

    private func child() throws -> RecipeDecoder {
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                Any.self,
                decoder.problem(expected: "more than \(values.count) values", found: "\(values.count)"))
        }
        return decoder.nested(values[currentIndex], .index(currentIndex), Index(currentIndex))
    }

    /// Moves on only when `body` has succeeded, as `Decodable` types expect that try one type after another.
    private mutating func next<R>(_ body: (RecipeDecoder) throws -> R) throws -> R {
        let result = try body(child())
        currentIndex += 1
        return result
    }

    mutating func decodeNil() throws -> Bool {
        let isNull = try RecipeValue(decoder: child()).decodeNil()
        if isNull { currentIndex += 1 }
        return isNull
    }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next { try $0.decode(type) } }

    mutating func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        try next { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try next { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder { try next { $0 } }
}

/// One value under decoding, of any kind.
struct RecipeValue: SingleValueDecodingContainer {
    let decoder: RecipeDecoder

    var codingPath: [any CodingKey] { decoder.codingPath }

    func decodeNil() -> Bool {
        if case .scalar(let scalar) = decoder.node { return scalar.isNull }
        return false
    }

    func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.decode(type) }
}
