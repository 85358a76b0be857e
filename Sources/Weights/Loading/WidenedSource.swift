public import TensorCore

/// Another source's tensors as they are stored, but those of bfloat16 as float32.
///
/// A product by weights of bfloat16 rounds the activations, too, where the processor has instructions for it. Whoever
/// wants that asks for the type by name; a checkpoint that happens to be stored so does not ask.
public struct WidenedSource: WeightSource {
    private let source: any WeightSource

    public init(_ source: any WeightSource) { self.source = source }

    public var keys: Set<String> { source.keys }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor? {
        try source.tensor(key, shape: shape, initial: initial)?.widenedFromBFloat16
    }

    public func origin(of key: String) -> String { source.origin(of: key) }
}

extension Tensor {
    /// Float32 for bfloat16, converted when it is first read; every other type as it is.
    public var widenedFromBFloat16: Tensor { dtype == .bfloat16 ? loaded(as: .float32) : self }
}
