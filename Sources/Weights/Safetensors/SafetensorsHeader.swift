/// The table of contents of a safetensors file, validated: what it lists is all there, once, and nothing else is.
///
/// A file is a 64-bit little-endian length `n`, `n` bytes of JSON (this header) and the data. In an accepted header
/// the entries cover the data from its first byte to its last without hole or overlap, every entry's byte count is the
/// one of its dtype and shape, and names are unique.
public struct SafetensorsHeader: Sendable, Equatable {
    /// One tensor of the file.
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let dtype: SafetensorsDType
        public let shape: [Int]
        /// Where the tensor's bytes lie, counted from the first byte of the data.
        public let byteRange: Range<Int>
    }

    /// How much of the format's text is enforced.
    public enum Rules: Sendable {
        /// Everything that the format demands, and plain names.
        case strict
        /// What the reference library accepts: whitespace around the header, repeated names (the last one counts),
        /// repeated metadata keys, `null` metadata, unknown fields, empty names and names with `../`.
        /// Limits, sizes and the layout of the data are checked as in `strict`.
        case lenient
    }

    public static let maximumHeaderByteCount = 100_000_000
    public static let maximumTensorCount = 200_000
    public static let maximumRank = 8
    /// Of a tensor's name or a metadata key, in UTF-8.
    public static let maximumNameByteCount = 512

    /// The tensors in the order of their bytes.
    public let entries: [Entry]
    /// Free text that the writer stored.
    public let metadata: [String: String]
    /// The offset of the data in the file.
    public let dataOffset: Int

    private let positions: [String: Int]

    init(entries: [Entry], metadata: [String: String], dataOffset: Int) {
        self.entries = entries
        self.metadata = metadata
        self.dataOffset = dataOffset
        var positions: [String: Int] = [:]
        positions.reserveCapacity(entries.count)
        for (position, entry) in entries.enumerated() { positions[entry.name] = position }
        self.positions = positions
    }

    /// The entry of a tensor, or nil when the file has none of that name.
    public subscript(name: String) -> Entry? { positions[name].map { entries[$0] } }
}
