public import TensorCore

/// What a GGUF file says of itself before its data, validated.
public struct GGUFHeader: Sendable {
    /// One tensor of the file.
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let dtype: DType
        /// Slowest dimension first, as everywhere here; the file has the fastest first.
        public let shape: [Int]
        /// Where its bytes are, counted from the start of the data.
        public let byteRange: Range<Int>
    }

    public static let maximumTensorCount = 1 << 17
    public static let maximumValueCount = 1 << 16
    public static let maximumStringByteCount = 1 << 24
    public static let maximumArrayCount = 1 << 24
    /// A header longer than this is a damaged one.
    public static let maximumByteCount = 1 << 28

    public let path: String
    public let version: Int
    public let values: [String: GGUFValue]
    public let entries: [Entry]
    /// Where the data begins in the file.
    public let dataOffset: Int
    private let places: [String: Int]

    init(
        path: String, version: Int, values: [String: GGUFValue], entries: [Entry], dataOffset: Int
    ) {
        self.path = path
        self.version = version
        self.values = values
        self.entries = entries
        self.dataOffset = dataOffset
        places = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
    }

    /// The entry of a tensor, or nil when there is none of that name.
    public subscript(name: String) -> Entry? { places[name].map { entries[$0] } }

    // MARK: Metadata by kind

    private func wrong(_ key: String, _ expected: String) -> GGUFError {
        GGUFError(
            .metadata, path: path, place: "metadata \(quoted(key))", expected: expected,
            found: values[key]?.kind ?? "none")
    }

    /// A string, or nil when the key is missing.
    public func string(_ key: String) throws(GGUFError) -> String? {
        guard let value = values[key] else { return nil }
        guard case .string(let string) = value else { throw wrong(key, "a string") }
        return string
    }

    /// An integer of up to 63 bits, or nil when the key is missing.
    public func integer(_ key: String) throws(GGUFError) -> Int? {
        guard let value = values[key] else { return nil }
        guard case .integer(let integer) = value else { throw wrong(key, "an integer") }
        return Int(integer)
    }

    public func number(_ key: String) throws(GGUFError) -> Double? {
        switch values[key] {
        case nil: nil
        case .number(let number): number
        case .integer(let integer): Double(integer)
        default: throw wrong(key, "a number")
        }
    }

    public func boolean(_ key: String) throws(GGUFError) -> Bool? {
        guard let value = values[key] else { return nil }
        guard case .boolean(let boolean) = value else { throw wrong(key, "a Boolean") }
        return boolean
    }

    public func strings(_ key: String) throws(GGUFError) -> [String]? {
        guard let value = values[key] else { return nil }
        guard case .strings(let strings) = value else { throw wrong(key, "strings") }
        return strings
    }

    public func integers(_ key: String) throws(GGUFError) -> [Int]? {
        guard let value = values[key] else { return nil }
        guard case .integers(let integers) = value else { throw wrong(key, "integers") }
        return integers.map { Int($0) }
    }

    public func numbers(_ key: String) throws(GGUFError) -> [Float]? {
        guard let value = values[key] else { return nil }
        guard case .numbers(let numbers) = value else { throw wrong(key, "numbers") }
        return numbers
    }

    /// The value, or an error that says which key is missing.
    public func require<Value>(_ key: String, _ value: Value?) throws(GGUFError) -> Value {
        guard let value else { throw wrong(key, "a value") }
        return value
    }
}
