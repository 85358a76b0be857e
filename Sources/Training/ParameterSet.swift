public import TensorCore
public import Weights

/// The trainable tensors of a model by checkpoint path.
///
/// A model is an immutable value, so it is rebuilt from its parameters for each step: `tracked()` makes the leaves,
/// `weights` the source that the model's initialiser reads.
public struct ParameterSet: Sendable {
    public var tensors: [String: Tensor]

    public init(_ tensors: [String: Tensor]) { self.tensors = tensors }

    /// Draws the initial values of a model: `build` makes it once from a source that records what it hands out.
    public init(
        initializing seed: UInt64, build: (ScopedWeights) throws -> Void
    ) throws {
        let source = InitializingSource(seed: seed)
        try build(ScopedWeights(source))
        tensors = source.tensors
    }

    public var weights: ScopedWeights { ScopedWeights(DictionarySource(tensors)) }

    /// The same parameters in the memory of a device.
    func moved(to device: any Backend) -> ParameterSet { ParameterSet(tensors.mapValues { $0.moved(to: device) }) }

    /// The same parameters as leaves of a differentiation.
    public func tracked() -> ParameterSet { ParameterSet(tensors.mapValues { $0.tracked() }) }

    /// The gradient of each leaf; zeros where the loss does not depend on it.
    public func gradients(_ gradients: Gradients) -> [String: Tensor] {
        tensors.mapValues { gradients[$0] ?? Tensor.zeros($0.shape) }
    }

    /// Starts every residual branch at zero, so that a fresh network passes its input straight through.
    ///
    /// The last layer of each residual block, attention and transformer is zeroed, as in ADM (`zero_module`,
    /// arXiv 2105.05233); a network then learns from its first step on.
    public mutating func silenceResiduals() {
        let endings = [".conv2.weight", ".conv2.bias", ".proj_out.weight", ".proj_out.bias", ".to_out.0.weight"]
        for (path, tensor) in tensors where endings.contains(where: { path.hasSuffix($0) }) {
            // Inside a transformer the projection after the blocks is silent already.
            if path.contains(".transformer_blocks.") { continue }
            tensors[path] = .zeros(tensor.shape)
        }
    }

    public var count: Int { tensors.values.reduce(0) { $0 + $1.count } }

    /// Several sets under one name space: `unet.conv_in.weight`.
    public func prefixed(_ prefix: String) -> [String: Tensor] {
        Dictionary(uniqueKeysWithValues: tensors.map { ("\(prefix).\($0.key)", $0.value) })
    }

    /// The tensors under a prefix, without it.
    public static func scoped(_ tensors: [String: Tensor], _ prefix: String) -> ParameterSet {
        let start = prefix + "."
        return ParameterSet(
            Dictionary(
                uniqueKeysWithValues: tensors.compactMap { path, tensor in
                    path.hasPrefix(start) ? (String(path.dropFirst(start.count)), tensor) : nil
                }))
    }
}
