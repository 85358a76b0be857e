public import TensorCore

/// Tensors of safetensors files, mapped: a weight that is never used is never read from the disk.
public struct SafetensorsSource: WeightSource {
    public let files: SafetensorsSet
    public let keys: Set<String>
    private let floatingPoint: DType?

    /// - Parameter floatingPoint: the type that floating-point tensors are converted to when they are asked for;
    ///   nil keeps them as they are stored, and mapped.
    public init(_ files: SafetensorsSet, floatingPoint: DType? = nil) {
        self.files = files
        self.floatingPoint = floatingPoint
        keys = Set(files.names)
    }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor? {
        guard let tensor = try files.file(of: key)?.tensor(key) else { return nil }
        return tensor.loaded(as: floatingPoint)
    }

    public func origin(of key: String) -> String {
        if let file = files.file(of: key) { return file.path }
        return files.files.map(\.path).joined(separator: ", ")
    }
}
