/// The bytes of a checkpoint as they lie in the file; every access is checked against its end.
struct CheckpointData {
    let mapping: MappedFile
    let path: String

    var byteCount: Int { mapping.byteCount }

    /// A copy: what is validated must not change afterwards.
    func bytes(_ start: Int, _ count: Int) throws(TorchCheckpointError) -> [UInt8] {
        guard start >= 0, count >= 0, start <= byteCount, count <= byteCount - start else {
            throw TorchCheckpointError(
                .truncated, path: path, expected: "\(count) bytes at byte \(start)", found: "a file of \(byteCount)")
        }
        return Array(UnsafeRawBufferPointer(start: mapping.pointer + start, count: count))
    }
}

extension [UInt8] {
    /// The unsigned little-endian number of `count` bytes at `offset`, which must be there.
    func number(_ offset: Int, _ count: Int) -> UInt64 {
        self[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
