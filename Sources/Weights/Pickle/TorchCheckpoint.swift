/// A checkpoint that torch saved (`.ckpt`, `.pt`, `.pth`, `.bin`), read without running anything in it.
///
/// Such files are pickles, which can name any code. This reader knows the few instructions, classes and functions that
/// tensors need (`PickleOpcode`, `PickleGlobal`); whatever else a file asks for makes it refuse the file. The tensors'
/// data is mapped, not read; the file must stay as it is while it is open, as with `SafetensorsFile`.
///
///     let checkpoint = try TorchCheckpoint(path: "model.ckpt")
///     checkpoint.contents["global_step"]
///     try checkpoint.tensor("model.diffusion_model.out.2.bias")
public struct TorchCheckpoint: Sendable {
    public let path: String
    /// Everything that the file says.
    public let contents: CheckpointValue
    /// Where in `contents` the tensors of `names` lie.
    public let section: [String]
    private let named: [String: TorchTensor]
    /// The section's numbers that are no tensors, whole ones and others, by names like those of tensors.
    public let numbers: [String: Double]
    let storages: [String: Range<Int>]
    let mapping: MappedFile

    /// Opens a file of the zip format (torch 1.6 and later) or of the legacy format.
    ///
    /// - Parameter section: the keys to the dictionary whose tensors are wanted, such as `["string_to_param"]`; empty
    ///   for the whole file. With nil it is `state_dict` where the file has one, and otherwise the whole file.
    /// - Throws: `TorchCheckpointError` when the file cannot be read, breaks a rule of the format or names code.
    public init(path: String, section: [String]? = nil) throws(TorchCheckpointError) {
        let mapping: MappedFile
        do throws(SafetensorsError) {
            mapping = try ReadOnlyFile.open(path).map()
        } catch {
            throw TorchCheckpointError(error)
        }
        try self.init(CheckpointData(mapping: mapping, path: path), section: section)
    }

    /// Reads a checkpoint that is already in memory.
    ///
    /// - Parameter path: what errors call it.
    /// - Throws: as `init(path:section:)` does.
    public init(bytes: [UInt8], path: String, section: [String]? = nil) throws(TorchCheckpointError) {
        let mapping: MappedFile
        do throws(SafetensorsError) {
            mapping = try MappedFile(copying: bytes, path: path)
        } catch {
            throw TorchCheckpointError(error)
        }
        try self.init(CheckpointData(mapping: mapping, path: path), section: section)
    }

    private init(_ data: CheckpointData, section: [String]?) throws(TorchCheckpointError) {
        let start = try data.bytes(0, min(data.byteCount, 64))
        let machine: PickleMachine
        let root: PickleItem
        let storages: [String: Range<Int>]
        if start.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
            let archive = try TorchArchive(data)
            guard archive.pickle.count <= PickleLimits.pickleByteCount else {
                throw TorchCheckpointError(
                    .limit, path: data.path, expected: "a pickle of at most \(PickleLimits.pickleByteCount) bytes",
                    found: "\(archive.pickle.count)")
            }
            let pickle = try data.bytes(archive.pickle.lowerBound, archive.pickle.count)
            var running = PickleMachine(PickleReader(pickle, path: data.path))
            root = try running.run()
            machine = running
            storages = archive.storages
        } else if TorchLegacyFile.begins(start) {
            (machine, root, storages) = try TorchLegacyFile.read(data)
        } else {
            throw TorchCheckpointError(
                .format, path: data.path, expected: "a checkpoint of torch (a zip archive or its older form)",
                found: "a file that begins with \(quoted(String(decoding: start.prefix(24), as: UTF8.self)))")
        }
        for (key, storage) in machine.storages {
            guard let range = storages[key] else {
                throw TorchCheckpointError(
                    .storage, path: data.path, expected: "the bytes of storage \(quoted(key))", found: "none")
            }
            guard range.count == storage.byteCount else {
                throw TorchCheckpointError(
                    .storage, path: data.path, place: "storage \(quoted(key))",
                    expected: "\(storage.byteCount) bytes", found: "\(range.count)")
            }
        }
        var values = PickleValues(machine)
        let contents = try values.value(root)
        self.contents = contents
        path = data.path
        mapping = data.mapping
        self.storages = storages
        var keys = section ?? []
        if section == nil, case .dictionary? = contents["state_dict"] { keys = ["state_dict"] }
        self.section = keys
        guard let wanted = contents.value(at: keys) else {
            throw TorchCheckpointError(
                .name, path: path, expected: "a section \(keys.joined(separator: "/"))", found: "\(contents)")
        }
        let found = try TensorNames(of: wanted, path: path)
        named = found.tensors
        numbers = found.numbers
    }

    /// The names of the tensors in the section, sorted; those of nested dictionaries and lists are joined by dots.
    public var names: [String] { named.keys.sorted() }

    /// What the file says of a tensor of the section, or nil when there is none of that name.
    public subscript(name: String) -> TorchTensor? { named[name] }

    /// The value at the end of a path of keys (positions, in lists), or nil.
    public func value(at path: [String]) -> CheckpointValue? { contents.value(at: path) }
}

extension CheckpointValue {
    fileprivate func value(at path: [String]) -> CheckpointValue? {
        var value = self
        for key in path {
            guard let next = value[key] else { return nil }
            value = next
        }
        return value
    }
}

/// Collects the tensors in a value by their names.
private struct TensorNames {
    private(set) var tensors: [String: TorchTensor] = [:]
    private(set) var numbers: [String: Double] = [:]
    private let path: String
    private var visits = 0

    init(of value: CheckpointValue, path: String) throws(TorchCheckpointError) {
        self.path = path
        try collect(value, [])
    }

    private mutating func collect(_ value: CheckpointValue, _ keys: [String]) throws(TorchCheckpointError) {
        // Shared containers are visited once for each way that leads to them, which can be very many.
        visits += 1
        guard visits <= PickleLimits.nodeCount else {
            throw TorchCheckpointError(
                .limit, path: path, expected: "at most \(PickleLimits.nodeCount) values", found: "more")
        }
        switch value {
        case .dictionary(let members):
            for (key, member) in members { try collect(member, keys + [key]) }
        case .list(let elements):
            for (position, element) in elements.enumerated() { try collect(element, keys + ["\(position)"]) }
        case .tensor(let tensor):
            let name = keys.joined(separator: ".")
            guard keys.isEmpty || isPlainTensorName(name), name.utf8.count <= PickleLimits.nameByteCount else {
                throw TorchCheckpointError(
                    .name, path: path, place: "tensor \(quoted(name))",
                    expected: "a plain name of at most \(PickleLimits.nameByteCount) bytes",
                    found: "\(name.utf8.count) bytes")
            }
            guard tensors.count < PickleLimits.tensorCount else {
                throw TorchCheckpointError(
                    .limit, path: path, expected: "at most \(PickleLimits.tensorCount) tensors", found: "more")
            }
            guard tensors.updateValue(tensor, forKey: name) == nil else {
                throw TorchCheckpointError(
                    .duplicateKey, path: path, expected: "every tensor's name once", found: "\(quoted(name)) again")
            }
        case .integer(let number): note(Double(number), keys)
        case .float(let number): note(number, keys)
        case .none, .boolean, .string, .bytes, .opaque: return
        }
    }

    /// Keeps a number where a tensor of its name could stand.
    private mutating func note(_ number: Double, _ keys: [String]) {
        let name = keys.joined(separator: ".")
        guard isPlainTensorName(name), name.utf8.count <= PickleLimits.nameByteCount,
            numbers.count < PickleLimits.tensorCount
        else { return }
        numbers[name] = number
    }
}
