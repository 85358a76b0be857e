/// Which file of a folder holds which tensor: `X.safetensors.index.json`, or `X.bin.index.json` of torch's checkpoints.
///
///     {"metadata": {"total_size": 1024}, "weight_map": {"conv.weight": "X-00001-of-00002.safetensors", ...}}
public struct ShardIndex: Sendable, Equatable {
    public let path: String
    /// The file's name by the tensor's name.
    public let shardOfTensor: [String: String]
    /// The bytes of all tensors together, when the index says so.
    public let totalByteCount: Int?

    /// The names of the files, sorted.
    public var shardNames: [String] { Set(shardOfTensor.values).sorted() }

    /// Reads and validates an index of files in one format.
    ///
    /// - Throws: `SafetensorsError` when the file cannot be read, is not JSON of this form, names a tensor twice, or
    ///   names a shard that is not a plain file name in the same folder.
    public init(path: String, format: WeightFiles.Format = .safetensors) throws(SafetensorsError) {
        let file = try ReadOnlyFile.open(path)
        guard file.byteCount <= SafetensorsHeader.maximumHeaderByteCount else {
            throw SafetensorsError(
                .headerLength, path: path, expected: "at most \(SafetensorsHeader.maximumHeaderByteCount) bytes",
                found: "\(file.byteCount)")
        }
        self = try bytesOf(file.prefix(file.byteCount)) { bytes throws(SafetensorsError) in
            try ShardIndex(parsing: bytes, path: path, format: format)
        }
    }

    public init(
        parsing bytes: UnsafeRawBufferPointer, path: String, format: WeightFiles.Format = .safetensors
    ) throws(SafetensorsError) {
        var reader = JSONReader(bytes, path: path, part: "index")
        var map: [String: String]?
        var total: Int?
        reader.skipWhitespace()
        var members = try reader.beginObject()
        while let key = try reader.nextKey(in: &members) {
            switch key {
            case "weight_map":
                guard map == nil else {
                    throw reader.failure(.duplicateKey, "one weight_map", found: "a second one")
                }
                map = try Self.weightMap(&reader, format)
            case "metadata":
                total = try Self.totalSize(&reader)
            default:
                try reader.skipValue()
            }
        }
        reader.skipWhitespace()
        guard reader.isAtEnd else { throw reader.failure(.headerEdge, "nothing after the index") }
        guard let map, !map.isEmpty else {
            throw SafetensorsError(
                .field, path: path, expected: "a weight_map of tensor names to files",
                found: map == nil ? "none" : "an empty one")
        }
        self.path = path
        shardOfTensor = map
        totalByteCount = total
    }

    private static func weightMap(
        _ reader: inout JSONReader, _ format: WeightFiles.Format
    ) throws(SafetensorsError) -> [String: String] {
        var map: [String: String] = [:]
        var plain: Set<String> = []
        var members = try reader.beginObject()
        while let name = try reader.nextKey(in: &members) {
            guard map.count < SafetensorsHeader.maximumTensorCount else {
                throw reader.failure(.count, "at most \(SafetensorsHeader.maximumTensorCount) tensors", found: "more")
            }
            let shard = try reader.string()
            guard plain.contains(shard) || isPlainFileName(shard, format) else {
                throw reader.failure(
                    .name, "the name of a \(format == .torch ? ".bin" : "safetensors") file in the index's own folder",
                    found: quoted(shard))
            }
            plain.insert(shard)
            guard map.updateValue(shard, forKey: name) == nil else {
                throw reader.failure(.duplicateKey, "every tensor once", found: "\(quoted(name)) again")
            }
        }
        return map
    }

    /// `total_size` of the metadata; writers put other fields, and other kinds of numbers, there too.
    private static func totalSize(_ reader: inout JSONReader) throws(SafetensorsError) -> Int? {
        guard reader.next == UInt8(ascii: "{") else {
            try reader.skipValue()
            return nil
        }
        var total: Int?
        var members = try reader.beginObject()
        while let key = try reader.nextKey(in: &members) {
            var attempt = reader
            if key == "total_size", let size = try? attempt.nonNegativeInteger() {
                total = size
                reader = attempt
            } else {
                try reader.skipValue()
            }
        }
        return total
    }

    private static func isPlainFileName(_ name: String, _ format: WeightFiles.Format) -> Bool {
        name.hasSuffix(".\(format.rawValue)") && !name.hasPrefix(".")
            && !name.utf8.contains { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
    }
}
