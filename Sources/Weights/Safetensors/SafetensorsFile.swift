/// A safetensors file whose header has been validated and whose data is mapped into memory, not read.
///
/// The file must stay as it is while it is open: see `MappedFile` for what happens when it is cut short. Links in
/// the path are followed, as caches of downloaded models consist of them.
public struct SafetensorsFile: Sendable {
    public let path: String
    public let header: SafetensorsHeader
    let mapping: MappedFile

    /// Opens a file and validates its header before anything else.
    ///
    /// - Throws: `SafetensorsError` when the file cannot be read or breaks a rule of the format.
    public init(path: String, rules: SafetensorsHeader.Rules = .strict) throws(SafetensorsError) {
        let file = try ReadOnlyFile.open(path)
        // The header is read, not mapped: validation must not be fooled by a file that changes meanwhile.
        let field = try file.prefix(SafetensorsHeader.lengthByteCount)
        let length = try bytesOf(field) { bytes throws(SafetensorsError) in
            try SafetensorsHeader.headerLength(bytes, fileByteCount: file.byteCount, path: path)
        }
        let start = try file.prefix(SafetensorsHeader.lengthByteCount + length)
        let fileByteCount = file.byteCount
        header = try bytesOf(start) { bytes throws(SafetensorsError) in
            try SafetensorsHeader(parsing: bytes, fileByteCount: fileByteCount, path: path, rules: rules)
        }
        mapping = try file.map()
        self.path = path
    }

    /// The names of the tensors in the order of their bytes.
    public var names: [String] { header.entries.map(\.name) }

    /// The bytes of a tensor, valid inside `body`; they may begin at any address. Nil when there is no such tensor.
    public func withBytes<Result>(of name: String, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
        -> Result?
    {
        guard let entry = header[name] else { return nil }
        return try withExtendedLifetime(mapping) { try body(bytes(of: entry)) }
    }

    /// The bytes of an entry of this file's header, valid for as long as `mapping` is held.
    func bytes(of entry: SafetensorsHeader.Entry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: mapping.pointer + header.dataOffset + entry.byteRange.lowerBound, count: entry.byteRange.count)
    }
}

/// `withUnsafeBytes` that keeps the type of the error.
func bytesOf<Result>(
    _ array: [UInt8], _ body: (UnsafeRawBufferPointer) throws(SafetensorsError) -> Result
) throws(SafetensorsError) -> Result {
    let result = array.withUnsafeBytes { bytes -> Swift.Result<Result, SafetensorsError> in
        do throws(SafetensorsError) {
            return .success(try body(bytes))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}
