extension SafetensorsHeader {
    /// Bytes of the length field in front of the header.
    static let lengthByteCount = 8

    /// Reads and validates the header of a safetensors file.
    ///
    /// Takes time and memory proportional to the header, whatever sizes it claims, and touches no byte of the data.
    ///
    /// - Parameters:
    ///   - bytes: the file from its first byte, at least to the end of the header.
    ///   - fileByteCount: the size of the whole file.
    ///   - path: the file's name in errors.
    /// - Throws: `SafetensorsError` naming the first rule that the file breaks.
    public init(
        parsing bytes: UnsafeRawBufferPointer, fileByteCount: Int, path: String, rules: Rules = .strict
    ) throws(SafetensorsError) {
        let length = try Self.headerLength(bytes, fileByteCount: fileByteCount, path: path)
        let end = Self.lengthByteCount + length
        guard bytes.count >= end else {
            throw SafetensorsError(
                .truncated, path: path, expected: "\(end) bytes up to the end of the header",
                found: "\(bytes.count)")
        }
        let header = UnsafeRawBufferPointer(rebasing: bytes[Self.lengthByteCount..<end])
        var parser = HeaderParser(header, path: path, rules: rules)
        try parser.parse()
        let entries = try parser.entriesInByteOrder(dataByteCount: fileByteCount - end)
        self.init(entries: entries, metadata: parser.metadata, dataOffset: end)
    }

    /// The length field, checked against the limit and the file.
    static func headerLength(
        _ bytes: UnsafeRawBufferPointer, fileByteCount: Int, path: String
    ) throws(SafetensorsError) -> Int {
        guard bytes.count >= lengthByteCount, fileByteCount >= lengthByteCount else {
            throw SafetensorsError(
                .truncated, path: path, expected: "a safetensors file of at least \(lengthByteCount) bytes",
                found: "\(max(0, min(bytes.count, fileByteCount)))")
        }
        let claimed = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard claimed <= UInt64(maximumHeaderByteCount), let length = Int(exactly: claimed) else {
            let isGGUF = claimed & 0xffff_ffff == 0x4655_4747  // "GGUF"
            throw SafetensorsError(
                .headerLength, path: path, place: "header",
                expected: isGGUF ? "a safetensors file" : "at most \(maximumHeaderByteCount) bytes",
                found: isGGUF ? "a GGUF file, which only language models are read from" : "a length of \(claimed)")
        }
        guard length <= fileByteCount - lengthByteCount else {
            throw SafetensorsError(
                .truncated, path: path, place: "header",
                expected: "at most the file's remaining \(fileByteCount - lengthByteCount) bytes",
                found: "a length of \(length)")
        }
        return length
    }
}

/// The rules of the header, on top of JSON's own.
private struct HeaderParser {
    private var reader: JSONReader
    private let path: String
    private let isStrict: Bool
    private var entries: [SafetensorsHeader.Entry] = []
    private var positions: [String: Int] = [:]
    private var hasMetadata = false
    private(set) var metadata: [String: String] = [:]

    init(_ bytes: UnsafeRawBufferPointer, path: String, rules: SafetensorsHeader.Rules) {
        reader = JSONReader(bytes, path: path, part: "header")
        self.path = path
        isStrict = rules == .strict
    }

    mutating func parse() throws(SafetensorsError) {
        if !isStrict { reader.skipWhitespace() }
        guard reader.next == UInt8(ascii: "{") else { throw reader.failure(.headerEdge, "'{' first") }
        var members = try reader.beginObject()
        while let name = try reader.nextKey(in: &members) {
            if name == "__metadata__" { try parseMetadata() } else { try parseEntry(name) }
        }
        if !isStrict { reader.skipWhitespace() }
        while reader.next == UInt8(ascii: " ") { try reader.consume(UInt8(ascii: " "), "padding") }
        guard reader.isAtEnd else { throw reader.failure(.headerEdge, "only spaces after the header's '}'") }
    }

    // MARK: Metadata

    private mutating func parseMetadata() throws(SafetensorsError) {
        guard !hasMetadata else { throw reader.failure(.duplicateKey, "one __metadata__", found: "a second one") }
        hasMetadata = true
        if !isStrict, reader.skipNull() { return }
        var members = try reader.beginObject()
        while let key = try reader.nextKey(in: &members) {
            guard key.utf8.count <= SafetensorsHeader.maximumNameByteCount else { throw tooLong(key) }
            guard metadata.count < SafetensorsHeader.maximumTensorCount else {
                throw reader.failure(
                    .count, "at most \(SafetensorsHeader.maximumTensorCount) metadata entries", found: "more")
            }
            let previous = metadata.updateValue(try reader.string(), forKey: key)
            guard previous == nil || !isStrict else { throw duplicate("metadata key", key) }
        }
    }

    // MARK: Tensors

    private mutating func parseEntry(_ name: String) throws(SafetensorsError) {
        try check(name)
        let place = "tensor \(quoted(name))"
        var dtype: SafetensorsDType?
        var shape: [Int]?
        var offsets: (begin: Int, end: Int)?
        var members = try reader.beginObject()
        while let field = try reader.nextKey(in: &members) {
            switch field {
            case "dtype" where dtype == nil: dtype = try parseDType(place)
            case "shape" where shape == nil: shape = try parseShape(place)
            case "data_offsets" where offsets == nil: offsets = try parseOffsets(place)
            case "dtype", "shape", "data_offsets":
                throw SafetensorsError(
                    .duplicateKey, path: path, place: place, expected: "one \(field)", found: "a second one")
            default:
                guard !isStrict else {
                    throw SafetensorsError(
                        .field, path: path, place: place, expected: "only dtype, shape and data_offsets",
                        found: quoted(field))
                }
                try reader.skipValue()
            }
        }
        guard let dtype, let shape, let offsets else {
            let missing = dtype == nil ? "dtype" : shape == nil ? "shape" : "data_offsets"
            throw SafetensorsError(.field, path: path, place: place, expected: "a field \(missing)", found: "none")
        }
        guard offsets.begin <= offsets.end else {
            throw SafetensorsError(
                .layout, path: path, place: place, expected: "data_offsets in rising order",
                found: "[\(offsets.begin), \(offsets.end)]")
        }
        guard let byteCount = dtype.byteCount(ofShape: shape) else {
            throw SafetensorsError(
                .size, path: path, place: place, expected: "a shape of whole bytes that can be counted in 63 bits",
                found: "\(dtype.rawValue) \(shape)")
        }
        guard byteCount == offsets.end - offsets.begin else {
            throw SafetensorsError(
                .size, path: path, place: place, expected: "\(byteCount) bytes for \(dtype.rawValue) \(shape)",
                found: "\(offsets.end - offsets.begin)")
        }
        try append(
            SafetensorsHeader.Entry(name: name, dtype: dtype, shape: shape, byteRange: offsets.begin..<offsets.end))
    }

    private mutating func append(_ entry: SafetensorsHeader.Entry) throws(SafetensorsError) {
        if let position = positions[entry.name] {
            guard !isStrict else { throw duplicate("tensor", entry.name) }
            entries[position] = entry
            return
        }
        guard entries.count < SafetensorsHeader.maximumTensorCount else {
            throw reader.failure(.count, "at most \(SafetensorsHeader.maximumTensorCount) tensors", found: "more")
        }
        positions[entry.name] = entries.count
        entries.append(entry)
    }

    private func check(_ name: String) throws(SafetensorsError) {
        guard name.utf8.count <= SafetensorsHeader.maximumNameByteCount else { throw tooLong(name) }
        guard isStrict, !isPlainTensorName(name) else { return }
        throw reader.failure(
            .name, "a tensor name without control characters and ../", found: name.isEmpty ? "none" : quoted(name))
    }

    private mutating func parseDType(_ place: String) throws(SafetensorsError) -> SafetensorsDType {
        let spelling = try reader.string()
        guard let dtype = SafetensorsDType(rawValue: spelling) else {
            throw SafetensorsError(
                .dtype, path: path, place: place, expected: "a dtype such as F32, F16 or BF16",
                found: quoted(spelling))
        }
        return dtype
    }

    private mutating func parseShape(_ place: String) throws(SafetensorsError) -> [Int] {
        var shape: [Int] = []
        var members = try reader.beginArray()
        while try reader.nextElement(in: &members) {
            guard shape.count < SafetensorsHeader.maximumRank else {
                throw SafetensorsError(
                    .count, path: path, place: place, expected: "at most \(SafetensorsHeader.maximumRank) dimensions",
                    found: "more")
            }
            shape.append(try reader.nonNegativeInteger())
        }
        return shape
    }

    private mutating func parseOffsets(_ place: String) throws(SafetensorsError) -> (begin: Int, end: Int) {
        var members = try reader.beginArray()
        var offsets: [Int] = []
        while try reader.nextElement(in: &members) {
            guard offsets.count < 2 else { break }
            offsets.append(try reader.nonNegativeInteger())
        }
        guard offsets.count == 2, reader.previous == UInt8(ascii: "]") else {
            throw SafetensorsError(
                .field, path: path, place: place, expected: "data_offsets [begin, end]",
                found: "\(offsets.count < 2 ? "fewer" : "more") than two numbers")
        }
        return (offsets[0], offsets[1])
    }

    // MARK: Layout

    /// The entries sorted by their bytes, which they must cover from 0 to `dataByteCount` exactly once.
    func entriesInByteOrder(dataByteCount: Int) throws(SafetensorsError) -> [SafetensorsHeader.Entry] {
        // An entry without bytes sorts before the one that begins where it ends.
        let sorted = entries.sorted {
            ($0.byteRange.lowerBound, $0.byteRange.upperBound) < ($1.byteRange.lowerBound, $1.byteRange.upperBound)
        }
        var end = 0
        for entry in sorted {
            guard entry.byteRange.lowerBound == end else {
                throw SafetensorsError(
                    .layout, path: path, place: "tensor \(quoted(entry.name))",
                    expected: "data that begins at byte \(end) (no hole, no overlap)",
                    found: "\(entry.byteRange.lowerBound)")
            }
            end = entry.byteRange.upperBound
        }
        guard end == dataByteCount else {
            throw SafetensorsError(
                end > dataByteCount ? .truncated : .layout, path: path, place: "data",
                expected: "\(end) bytes, as the header lists", found: "\(dataByteCount)")
        }
        return sorted
    }

    // MARK: Errors

    private func duplicate(_ kind: String, _ name: String) -> SafetensorsError {
        reader.failure(.duplicateKey, "every \(kind) once", found: "\(quoted(name)) again")
    }

    private func tooLong(_ name: String) -> SafetensorsError {
        reader.failure(
            .name, "a name of at most \(SafetensorsHeader.maximumNameByteCount) bytes",
            found: "\(quoted(name)) of \(name.utf8.count)")
    }
}

/// Whether a tensor may have this name: not empty, no control character, no `../` that could climb out of a folder.
func isPlainTensorName(_ name: String) -> Bool {
    // Bytes, not characters: a combining mark after the slash must not hide it.
    var dots = 0
    for byte in name.utf8 {
        if byte < 0x20 || byte == 0x7F || (byte == UInt8(ascii: "/") && dots >= 2) { return false }
        dots = byte == UInt8(ascii: ".") ? dots + 1 : 0
    }
    return !name.isEmpty
}
