/// One tensor to be written: what the header says of it, and a closure that yields its bytes when their turn comes.
public struct SafetensorsItem {
    public let name: String
    public let dtype: SafetensorsDType
    public let shape: [Int]
    /// Calls its argument with the tensor's bytes, row-major and little-endian, in one piece or several.
    public let yieldBytes: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

    public init(
        name: String, dtype: SafetensorsDType, shape: [Int],
        yieldBytes: @escaping ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.yieldBytes = yieldBytes
    }

    /// A tensor whose bytes are already in memory.
    public init(name: String, dtype: SafetensorsDType, shape: [Int], bytes: [UInt8]) {
        self.init(name: name, dtype: dtype, shape: shape) { body in try bytes.withUnsafeBytes { try body($0) } }
    }
}

/// Writes a safetensors file, or leaves the old one untouched.
///
/// The same tensors give the same bytes, whatever order they come in: dtypes from wide to narrow, then names in the
/// order of their UTF-8, as the reference library writes them; metadata keys sorted. The header is padded with spaces
/// so that the data, and with it every tensor, is aligned to its element. Each tensor's bytes are asked for only when
/// they are written, so memory holds one tensor at a time.
///
/// - Throws: `SafetensorsError` when a name, a shape or a number of bytes breaks the format's rules, or when the file
///   cannot be written; and whatever an item's closure throws. Nothing is left behind then.
public func writeSafetensors(
    _ items: [SafetensorsItem], metadata: [String: String] = [:], to path: String
) throws {
    let sorted = items.sorted { a, b in
        if a.dtype != b.dtype { return a.dtype.rank > b.dtype.rank }
        return a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
    }
    let (header, byteCounts) = try safetensorsHeader(of: sorted, metadata: metadata, path: path)
    let file = try AtomicFile(replacing: path)
    try header.withUnsafeBytes { try file.write($0) }
    for (item, byteCount) in zip(sorted, byteCounts) {
        var written = 0
        try item.yieldBytes { bytes in
            written += bytes.count
            try file.write(bytes)
        }
        guard written == byteCount else {
            throw SafetensorsError(
                .size, path: path, place: "tensor \(quoted(item.name))",
                expected: "\(byteCount) bytes for \(item.dtype.rawValue) \(item.shape)", found: "\(written)")
        }
    }
    try file.commit()
}

/// The length field and the header of a file that holds `items` in this order, and the byte count of each.
private func safetensorsHeader(
    of items: [SafetensorsItem], metadata: [String: String], path: String
) throws(SafetensorsError) -> (header: [UInt8], byteCounts: [Int]) {
    typealias Limits = SafetensorsHeader
    guard items.count <= Limits.maximumTensorCount, metadata.count <= Limits.maximumTensorCount else {
        throw SafetensorsError(
            .count, path: path, expected: "at most \(Limits.maximumTensorCount) tensors and metadata entries",
            found: "\(items.count) and \(metadata.count)")
    }
    var fields: [String] = []
    if !metadata.isEmpty {
        let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        for (key, _) in pairs where key.utf8.count > Limits.maximumNameByteCount {
            throw SafetensorsError(
                .name, path: path, place: "metadata",
                expected: "keys of at most \(Limits.maximumNameByteCount) bytes", found: quoted(key))
        }
        let members = pairs.map { jsonString($0.key) + ":" + jsonString($0.value) }
        fields.append("\"__metadata__\":{" + members.joined(separator: ",") + "}")
    }
    var names: Set<String> = []
    var byteCounts: [Int] = []
    var end = 0
    for item in items {
        let place = "tensor \(quoted(item.name))"
        guard isPlainTensorName(item.name), item.name != "__metadata__",
            item.name.utf8.count <= Limits.maximumNameByteCount
        else {
            throw SafetensorsError(
                .name, path: path, place: place, expected: "a plain name of 1 to \(Limits.maximumNameByteCount) bytes",
                found: "\(item.name.utf8.count) bytes")
        }
        guard names.insert(item.name).inserted else {
            throw SafetensorsError(.duplicateKey, path: path, place: place, expected: "one", found: "a second one")
        }
        guard item.shape.count <= Limits.maximumRank, let byteCount = item.dtype.byteCount(ofShape: item.shape) else {
            throw SafetensorsError(
                .size, path: path, place: place,
                expected: "at most \(Limits.maximumRank) dimensions of whole bytes",
                found: "\(item.dtype.rawValue) \(item.shape)")
        }
        let (newEnd, overflow) = end.addingReportingOverflow(byteCount)
        guard !overflow else {
            throw SafetensorsError(
                .size, path: path, place: place, expected: "data of at most 63 bits of length", found: "more")
        }
        let shape = item.shape.map(String.init).joined(separator: ",")
        fields.append(
            "\(jsonString(item.name)):{\"dtype\":\"\(item.dtype.rawValue)\","
                + "\"shape\":[\(shape)],\"data_offsets\":[\(end),\(newEnd)]}")
        byteCounts.append(byteCount)
        end = newEnd
    }
    var json = Array(("{" + fields.joined(separator: ",") + "}").utf8)
    json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
    guard json.count <= Limits.maximumHeaderByteCount else {
        throw SafetensorsError(
            .headerLength, path: path, place: "header", expected: "at most \(Limits.maximumHeaderByteCount) bytes",
            found: "\(json.count)")
    }
    let length = withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init)
    return (length + json, byteCounts)
}

/// A JSON string literal, with the short escapes where JSON has them.
private func jsonString(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\u{8}": result += "\\b"
        case "\u{C}": result += "\\f"
        case "\n": result += "\\n"
        case "\r": result += "\\r"
        case "\t": result += "\\t"
        case "\0"..<" ":
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
