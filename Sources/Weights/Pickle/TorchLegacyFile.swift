/// A checkpoint as torch wrote it before version 1.6: pickles one after another, then the storages' bytes.
///
///     magic number, protocol version, system facts, the value, the storages' keys     (five pickles)
///     elements (8 bytes), bytes      for every key
///
/// Follows `torch/serialization.py`, `_legacy_save`.
enum TorchLegacyFile {
    /// The magic number 0x1950a86a20f9469cfc6c as pickle writes it, without the protocol in front.
    private static let magic: [UInt8] = [0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]

    /// - Parameter start: the first bytes of a file.
    static func begins(_ start: [UInt8]) -> Bool {
        guard start.count >= 2, start[0] == 0x80 else { return false }
        // Protocols 4 and 5 put a frame around it.
        return start.dropFirst(2).starts(with: magic)
            || (start.count > 11 && start[2] == 0x95 && start.dropFirst(11).starts(with: magic))
    }

    /// - Returns: the machine that read the value, the value, and where the storages lie by their keys.
    static func read(
        _ data: CheckpointData
    ) throws(TorchCheckpointError) -> (machine: PickleMachine, root: PickleItem, storages: [String: Range<Int>]) {
        let start = try data.bytes(0, min(data.byteCount, PickleLimits.pickleByteCount))
        var reader = PickleReader(start, path: data.path)
        func next() throws(TorchCheckpointError) -> (PickleMachine, PickleItem) {
            var machine = PickleMachine(reader)
            let item = try machine.run()
            reader = machine.reader
            return (machine, item)
        }
        _ = try next()
        let version = try next()
        guard case .integer(1001) = version.1 else {
            throw reader.failure(.format, "protocol version 1001", found: version.1.description)
        }
        guard case .boolean(true)? = try value(next())["little_endian"] else {
            throw reader.failure(.dtype, "little-endian data", found: "other data")
        }
        let (machine, root) = try next()
        guard case .list(let names) = try value(next()) else {
            throw reader.failure(.syntax, "the list of the storages' keys", found: "something else")
        }
        return (machine, root, try storages(names, machine, data, from: reader.position))
    }

    private static func value(_ result: (PickleMachine, PickleItem)) throws(TorchCheckpointError) -> CheckpointValue {
        var values = PickleValues(result.0)
        return try values.value(result.1)
    }

    private static func storages(
        _ names: [CheckpointValue], _ machine: PickleMachine, _ data: CheckpointData, from start: Int
    ) throws(TorchCheckpointError) -> [String: Range<Int>] {
        var ranges: [String: Range<Int>] = [:]
        var position = start
        for name in names {
            guard case .string(let key) = name, let storage = machine.storages[key], ranges[key] == nil else {
                throw failure(data, "the key of a storage, once", found: "\(name)")
            }
            let claimed = try data.bytes(position, 8).number(0, 8)
            position += 8
            guard claimed == UInt64(storage.elementCount) else {
                throw failure(data, "\(storage.elementCount) elements of \(quoted(key))", found: "\(claimed)")
            }
            guard storage.byteCount <= data.byteCount - position else {
                throw TorchCheckpointError(
                    .truncated, path: data.path, place: "storage \(quoted(key))",
                    expected: "\(storage.byteCount) bytes", found: "\(data.byteCount - position)")
            }
            ranges[key] = position..<position + storage.byteCount
            position += storage.byteCount
        }
        guard position == data.byteCount else {
            throw failure(data, "nothing after the last storage", found: "\(data.byteCount - position) bytes")
        }
        return ranges
    }

    private static func failure(_ data: CheckpointData, _ expected: String, found: String) -> TorchCheckpointError {
        TorchCheckpointError(.storage, path: data.path, place: "storages", expected: expected, found: found)
    }
}
