/// The names of modules in two spellings, translated by the longest prefix that the table knows.
///
///     input_blocks.1.0.in_layers.0  ->  down_blocks.0.resnets.0.norm1
///
/// makes `input_blocks.1.0.in_layers.0.weight` into `down_blocks.0.resnets.0.norm1.weight`, and its inverse the other
/// way round.
struct KeyTable: Sendable {
    private let names: [String: String]

    /// - Parameter pairs: module paths, (here, there); neither side twice.
    init(_ pairs: [(String, String)]) {
        names = Dictionary(uniqueKeysWithValues: pairs)
    }

    var inverse: KeyTable { KeyTable(names.map { ($0.value, $0.key) }) }

    /// The key in the other spelling, or nil when no prefix of it is known.
    func translated(_ key: String) -> String? {
        var end = key.endIndex
        while true {
            let prefix = String(key[..<end])
            if let name = names[prefix] { return name + key[end...] }
            guard let dot = prefix.lastIndex(of: ".") else { return nil }
            end = key.index(key.startIndex, offsetBy: prefix.distance(from: prefix.startIndex, to: dot))
        }
    }
}
