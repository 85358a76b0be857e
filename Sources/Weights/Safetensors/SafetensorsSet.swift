/// The tensors of one or several safetensors files under one roof, as sharded checkpoints need.
public struct SafetensorsSet: Sendable {
    public let files: [SafetensorsFile]
    private let fileOfTensor: [String: Int]

    /// Opens every file and checks the shards against their index.
    ///
    /// - Throws: `SafetensorsError` when a file breaks a rule; `WeightsError` when the files are checkpoints of torch,
    ///   which `WeightFiles.source` opens, when a tensor of the index is not in its shard, or, in strict mode, when the bytes of the shards are not the total that the index states.
    public init(_ weightFiles: WeightFiles, rules: SafetensorsHeader.Rules = .strict) throws {
        guard weightFiles.format == .safetensors else {
            throw WeightsError(
                weightFiles.paths.first ?? "", expected: "safetensors", found: "a checkpoint of torch")
        }
        files = try weightFiles.paths.map { path in
            if let kind = foreignKind(ofFile: path) {
                throw WeightsError(path, expected: "safetensors or a checkpoint of torch", found: kind)
            }
            return try SafetensorsFile(path: path, rules: rules)
        }
        var fileOfTensor: [String: Int] = [:]
        for (position, file) in files.enumerated() {
            for name in file.names { fileOfTensor[name] = position }
        }
        if let index = weightFiles.index {
            let positions = Dictionary(uniqueKeysWithValues: zip(index.shardNames, files.indices))
            var missing: [String] = []
            for (name, shard) in index.shardOfTensor {
                if let position = positions[shard], files[position].header[name] != nil {
                    fileOfTensor[name] = position
                } else {
                    missing.append(name)
                }
            }
            if let name = missing.min() {
                throw WeightsError(
                    index.path, expected: "tensor \(quoted(name)) in \(index.shardOfTensor[name] ?? "")",
                    found: "no such tensor there (\(missing.count) missing in all)")
            }
            let total = files.reduce(0) { sum, file in sum + (file.header.entries.last?.byteRange.upperBound ?? 0) }
            if rules == .strict, let stated = index.totalByteCount, stated != total {
                throw WeightsError(
                    index.path, expected: "shards of \(stated) bytes in all (total_size)", found: "\(total)")
            }
        }
        self.fileOfTensor = fileOfTensor
    }

    /// The names of all tensors, sorted.
    public var names: [String] { fileOfTensor.keys.sorted() }

    /// The file that holds a tensor, or nil when none does.
    public func file(of name: String) -> SafetensorsFile? { fileOfTensor[name].map { files[$0] } }
}
