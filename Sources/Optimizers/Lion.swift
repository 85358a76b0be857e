public import TensorCore

/// Lion: steps of one size along the sign of a momentum (Chen et al., arXiv 2302.06675).
///
///     p = p - rate · (sign(beta1 m + (1 - beta1) g) + decay · p),    m = beta2 m + (1 - beta2) g
///
/// Learning rates are three to ten times smaller than AdamW's.
public struct Lion: Optimizer {
    public var beta1: Double
    public var beta2: Double
    public var weightDecay: Double
    private var momenta: [String: Tensor] = [:]

    public init(beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.weightDecay = weightDecay
    }

    public mutating func step(
        parameters: [String: Tensor], gradients: [String: Tensor], learningRate: Double, gradientScale: Double = 1
    ) -> [String: Tensor] {
        var result = parameters.mapValues(\.detached)
        for (path, gradient) in gradients {
            guard let parameter = result[path] else { preconditionFailure("Lion: a gradient for \(path)") }
            let gradient = gradient.detached * gradientScale
            let momentum = momenta[path] ?? Tensor.zeros(parameter.shape)
            let direction = sign(beta1 * momentum + (1 - beta1) * gradient)
            result[path] = (1 - learningRate * weightDecay) * parameter - learningRate * direction
            momenta[path] = beta2 * momentum + (1 - beta2) * gradient
        }
        return result
    }

    /// `momentum.<path>`.
    public var stateTensors: [String: Tensor] {
        Dictionary(uniqueKeysWithValues: momenta.map { ("momentum." + $0.key, $0.value) })
    }

    public mutating func restore(
        _ tensors: [String: Tensor], for parameters: [String: Tensor]
    ) throws(OptimizerStateError) {
        momenta = try storedState(tensors, "momentum.", for: parameters)
    }
}

/// The tensors of a state under a prefix, each in the shape of its parameter.
func storedState(
    _ tensors: [String: Tensor], _ prefix: String, for parameters: [String: Tensor]
) throws(OptimizerStateError) -> [String: Tensor] {
    var restored: [String: Tensor] = [:]
    for (key, tensor) in tensors where key.hasPrefix(prefix) {
        let path = String(key.dropFirst(prefix.count))
        guard let parameter = parameters[path] else {
            throw OptimizerStateError(
                key: key, expected: "the state of known parameters only", found: "no parameter \(path)")
        }
        guard tensor.shape == parameter.shape, tensor.dtype == .float32 else {
            throw OptimizerStateError(
                key: key, expected: "float32 \(parameter.shape)", found: "\(tensor.dtype.rawValue) \(tensor.shape)")
        }
        restored[path] = tensor.detached.contiguous()
    }
    return restored
}
