public import TensorCore

/// Another source's tensors in the memory of a device, moved when they are asked for.
public struct DeviceSource: WeightSource {
    private let source: any WeightSource
    private let device: any Backend

    public init(_ source: any WeightSource, on device: any Backend) {
        self.source = source
        self.device = device
    }

    public var keys: Set<String> { source.keys }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor? {
        try source.tensor(key, shape: shape, initial: initial)?.moved(to: device)
    }

    public func origin(of key: String) -> String { source.origin(of: key) }
}
