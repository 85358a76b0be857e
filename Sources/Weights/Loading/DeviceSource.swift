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
        guard let tensor = try source.tensor(key, shape: shape, initial: initial) else { return nil }
        let moved = tensor.moved(to: device)
        // Kernels of convolutions read the channels of a tap side by side: frozen weights are laid out so once.
        let isKernel = moved.rank == 4 && moved.storage.isFrozen && moved.size(2) * moved.size(3) > 1
        return isKernel && device !== CPUBackend.shared ? moved.channelsLast().frozen() : moved
    }

    public func origin(of key: String) -> String { source.origin(of: key) }
}
