public import TensorCore

/// Tensors of torch checkpoints, mapped: a weight that is never used is never read from the disk.
public struct TorchCheckpointSource: WeightSource {
    public let checkpoints: [TorchCheckpoint]
    public let keys: Set<String>
    private let holders: [String: Int]
    private let floatingPoint: DType?

    /// One checkpoint, whichever file it came from.
    ///
    /// - Parameter floatingPoint: the type that floating-point tensors are converted to when they are asked for;
    ///   nil keeps them as they are stored, and mapped.
    public init(_ checkpoint: TorchCheckpoint, floatingPoint: DType? = nil) {
        checkpoints = [checkpoint]
        keys = Set(checkpoint.names)
        holders = Dictionary(uniqueKeysWithValues: keys.map { ($0, 0) })
        self.floatingPoint = floatingPoint
    }

    /// Opens every file and checks the shards against their index.
    ///
    /// - Throws: `TorchCheckpointError` when a file breaks a rule; `WeightsError` when a tensor of the index is not in
    ///   its shard.
    public init(_ files: WeightFiles, floatingPoint: DType? = nil) throws {
        checkpoints = try files.paths.map { path throws(TorchCheckpointError) in try TorchCheckpoint(path: path) }
        var holders: [String: Int] = [:]
        for (position, checkpoint) in checkpoints.enumerated() {
            for name in checkpoint.names { holders[name] = position }
        }
        if let index = files.index {
            let positions = Dictionary(uniqueKeysWithValues: zip(index.shardNames, checkpoints.indices))
            for (name, shard) in index.shardOfTensor.sorted(by: { $0.key < $1.key }) {
                guard let position = positions[shard], checkpoints[position][name] != nil else {
                    throw WeightsError(
                        index.path, expected: "tensor \(quoted(name)) in \(shard)", found: "no such tensor there")
                }
                holders[name] = position
            }
        }
        self.holders = holders
        keys = Set(holders.keys)
        self.floatingPoint = floatingPoint
    }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor? {
        guard let holder = holders[key], let tensor = try checkpoints[holder].tensor(key) else { return nil }
        return tensor.loaded(as: floatingPoint)
    }

    public func origin(of key: String) -> String {
        if let holder = holders[key] { return checkpoints[holder].path }
        return checkpoints.map(\.path).joined(separator: ", ")
    }
}
