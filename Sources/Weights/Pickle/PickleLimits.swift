/// What one checkpoint may make this process do, far above what training programs write.
///
/// Together they bound the work at some seconds and the memory at some hundred megabytes, whatever a file claims.
enum PickleLimits {
    /// Of the pickle; the tensors' data lies outside of it.
    static let pickleByteCount = 64 << 20
    static let instructionCount = 4_000_000
    /// Of containers and tensors, each of which takes memory of its own.
    static let nodeCount = 1_000_000
    /// Of elements and bytes that calls copy out of other values.
    static let copiedCount = 4_000_000
    static let memoCount = 2_000_000
    static let stackCount = 1_000_000
    /// Of containers in each other; the values are walked recursively.
    static let nesting = 64
    static let tensorCount = 100_000
    static let textByteCount = 1 << 20
    /// Of a dictionary's key: each mention of it is hashed.
    static let keyByteCount = 1024
    static let storageKeyByteCount = 128
    /// Of `module.class`.
    static let globalByteCount = 256
    static let nameByteCount = SafetensorsHeader.maximumNameByteCount
    static let rank = SafetensorsHeader.maximumRank
    /// A tensor may repeat its storage's elements (strides of 0, overlapping rows) up to this many elements.
    static let repeatedElementCount = 1 << 20
    /// Of the zip archive.
    static let memberCount = tensorCount + 64
    static let directoryByteCount = 64 << 20
}
