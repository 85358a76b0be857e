import Weights

/// The shapes of the tensors under a prefix of a file's keys.
struct StoredShapes: Sendable {
    /// What all keys of the part begin with in the file, its last dot included.
    let prefix: String
    private let shapes: [String: [Int]]

    init(_ shapes: [String: [Int]], prefix: String = "") {
        self.prefix = prefix
        self.shapes = Dictionary(
            uniqueKeysWithValues: shapes.compactMap { key, shape in key.dropping(prefix: prefix).map { ($0, shape) } })
    }

    /// Keys without the prefix.
    var keys: Dictionary<String, [Int]>.Keys { shapes.keys }
    var isEmpty: Bool { shapes.isEmpty }

    subscript(key: String) -> [Int]? { shapes[key] }

    /// One dimension of a tensor, or nil where there is none.
    func size(_ key: String, _ dimension: Int) -> Int? {
        shapes[key].flatMap { $0.indices.contains(dimension) ? $0[dimension] : nil }
    }

    func contains(_ key: String) -> Bool { shapes[key] != nil }

    /// How many of `path.0`, `path.1`, ... have keys, counted from 0 without a gap.
    func count(_ path: String) -> Int {
        var numbers: Set<Int> = []
        for key in shapes.keys {
            if let rest = key.dropping(prefix: path + "."), let number = Int(rest.prefix { $0 != "." }) {
                numbers.insert(number)
            }
        }
        return (0...numbers.count).first { !numbers.contains($0) } ?? 0
    }

    /// The stored keys of a part by the names that the model asks for.
    func renamed(_ names: (String) -> [(String?, StoredTensor.Form)]) -> [String: StoredTensor] {
        var entries: [String: StoredTensor] = [:]
        for key in keys {
            for case (let name?, let form) in names(key) {
                entries[name] = StoredTensor(key: prefix + key, form: form)
            }
        }
        return entries
    }
}
