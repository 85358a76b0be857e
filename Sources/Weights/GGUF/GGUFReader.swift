/// Reads the parts of a GGUF header one after another, and never beyond its bytes.
struct GGUFReader {
    let bytes: UnsafeRawBufferPointer
    let path: String
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    var remaining: Int { bytes.count - offset }

    func failure(_ rule: GGUFError.Rule, _ expected: String, found: String) -> GGUFError {
        GGUFError(rule, path: path, place: "byte \(offset)", expected: expected, found: found)
    }

    private func check(_ count: Int) throws(GGUFError) {
        guard count <= remaining else {
            throw failure(.truncated, "\(count) more bytes of header", found: "\(remaining)")
        }
    }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws(GGUFError) -> Value {
        let size = MemoryLayout<Value>.size
        try check(size)
        defer { offset += size }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    /// A count in 64 bits.
    mutating func count(_ what: String, most: Int) throws(GGUFError) -> Int {
        let start = self
        let value = try integer(UInt64.self)
        guard value <= UInt64(most) else { throw start.failure(.limit, "at most \(most) \(what)", found: "\(value)") }
        return Int(value)
    }

    /// Text with its length before it.
    ///
    /// - Parameter isStrict: whether bytes that are not UTF-8 are refused; else they become replacement characters.
    mutating func string(isStrict: Bool) throws(GGUFError) -> String {
        let length = try count("bytes of text", most: GGUFHeader.maximumStringByteCount)
        try check(length)
        let start = self
        let slice = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
        offset += length
        if isStrict {
            guard let text = String(validating: slice, as: UTF8.self) else {
                throw start.failure(.name, "UTF-8", found: "other bytes")
            }
            return text
        }
        return String(decoding: slice, as: UTF8.self)
    }

    /// One value of the metadata.
    mutating func value() throws(GGUFError) -> GGUFValue {
        let start = self
        let kind = try integer(UInt32.self)
        switch kind {
        case 8: return .string(try string(isStrict: false))
        case 9: return try array()
        default:
            guard let scalar = try scalar(kind) else {
                throw start.failure(.kind, "a kind of value from 0 to 12", found: "\(kind)")
            }
            return scalar
        }
    }

    private mutating func scalar(_ kind: UInt32) throws(GGUFError) -> GGUFValue? {
        switch kind {
        case 0: return .integer(Int64(try integer(UInt8.self)))
        case 1: return .integer(Int64(try integer(Int8.self)))
        case 2: return .integer(Int64(try integer(UInt16.self)))
        case 3: return .integer(Int64(try integer(Int16.self)))
        case 4: return .integer(Int64(try integer(UInt32.self)))
        case 5: return .integer(Int64(try integer(Int32.self)))
        case 6: return .number(Double(Float(bitPattern: try integer(UInt32.self))))
        case 7:
            let start = self
            let byte = try integer(UInt8.self)
            guard byte < 2 else { throw start.failure(.kind, "a Boolean, 0 or 1", found: "\(byte)") }
            return .boolean(byte == 1)
        case 10:
            let wide = try integer(UInt64.self)
            return Int64(exactly: wide).map { .integer($0) } ?? .large(wide)
        case 11: return .integer(try integer(Int64.self))
        case 12: return .number(Double(bitPattern: try integer(UInt64.self)))
        default: return nil
        }
    }

    /// Bytes of a scalar of each kind; text has at least its length's.
    private static let sizes: [UInt32: Int] = [
        0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 8: 8, 10: 8, 11: 8, 12: 8,
    ]

    private mutating func array() throws(GGUFError) -> GGUFValue {
        let start = self
        let kind = try integer(UInt32.self)
        guard let size = Self.sizes[kind] else {
            throw start.failure(.kind, "an array of scalars or strings", found: "elements of kind \(kind)")
        }
        let count = try count("elements of an array", most: GGUFHeader.maximumArrayCount)
        // Before memory is taken for it.
        try check(count * size)
        if kind == 8 {
            var strings: [String] = []
            strings.reserveCapacity(count)
            for _ in 0..<count { strings.append(try string(isStrict: false)) }
            return .strings(strings)
        }
        var (integers, numbers, booleans) = ([Int64](), [Float](), [Bool]())
        for _ in 0..<count {
            switch try scalar(kind) {
            case .integer(let value): integers.append(value)
            case .number(let value): numbers.append(Float(value))
            case .boolean(let value): booleans.append(value)
            default: throw start.failure(.kind, "integers of at most 63 bits", found: "a larger one")
            }
        }
        return kind == 7 ? .booleans(booleans) : kind == 6 || kind == 12 ? .numbers(numbers) : .integers(integers)
    }
}
