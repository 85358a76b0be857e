public import TensorCore
public import Weights

/// Normalizes each group of channels to zero mean and unit variance, then scales and shifts.
///
///     y = (x - mean) / sqrt(variance + epsilon) * weight + bias
public struct GroupNorm: Layer {
    private var weight: Tensor
    private var bias: Tensor
    public let groups: Int
    public let epsilon: Float
    public let site: Int

    public init(_ channels: Int, groups: Int, epsilon: Float = 1e-5, _ weights: ScopedWeights) throws {
        weight = try weights.tensor("weight", shape: [channels], initial: .ones)
        bias = try weights.tensor("bias", shape: [channels], initial: .zeros)
        self.groups = groups
        self.epsilon = epsilon
        site = weights.site
    }

    /// - Parameters:
    ///   - x: `[batch, channels, spatial...]`.
    ///   - activation: applied to the result; SiLU runs in the same kernel, unless the plan visits the norm.
    ///   - rounded: whether only products read the result that round it to bfloat16 (`roundsInput`).
    /// - Returns: the shape of `x`.
    public func callAsFunction(
        _ x: Tensor, then activation: Activation? = nil, rounded: Bool = false, _ pass: Pass
    ) -> Tensor {
        let x = pass.visit(site, .input, x)
        if activation == .silu || activation == .swish, !pass.isVisiting(site, .output) {
            return groupNorm(
                x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: true, rounded: rounded)
        }
        let y = groupNorm(
            x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, rounded: rounded && activation == nil)
        let visited = pass.visit(site, .output, y)
        return activation.map { $0(visited) } ?? visited
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
        bias = transform(bias)
    }
}

/// Normalizes the last dimension to zero mean and unit variance, then scales and shifts.
public struct LayerNorm: Layer {
    private var weight: Tensor
    private var bias: Tensor
    public let epsilon: Float
    public let site: Int

    public init(_ channels: Int, epsilon: Float = 1e-5, _ weights: ScopedWeights) throws {
        weight = try weights.tensor("weight", shape: [channels], initial: .ones)
        bias = try weights.tensor("bias", shape: [channels], initial: .zeros)
        self.epsilon = epsilon
        site = weights.site
    }

    /// - Parameters:
    ///   - x: `[..., channels]`.
    ///   - rounded: whether only products read the result that round it to bfloat16 (`roundsInput`).
    public func callAsFunction(_ x: Tensor, rounded: Bool = false, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        return pass.visit(
            site, .output, layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, rounded: rounded))
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
        bias = transform(bias)
    }
}

/// Divides the last dimension by its root mean square, then scales.
///
///     y = x / sqrt(mean(x²) + epsilon) * (offset + weight)
public struct RMSNorm: Layer {
    private var weight: Tensor
    public let epsilon: Float
    public let offset: Double
    public let site: Int

    /// - Parameter offset: 1 where weights are stored around 0, as Gemma's are.
    public init(_ channels: Int, epsilon: Float = 1e-6, offset: Double = 0, _ weights: ScopedWeights) throws {
        weight = try weights.tensor("weight", shape: [channels], initial: .constant(Float(1 - offset)))
        self.epsilon = epsilon
        self.offset = offset
        site = weights.site
    }

    /// What the channels are multiplied with. In 32 bits: a type of 16 would round the sum, and with it every scale.
    public var scale: Tensor {
        let weight = weight.converted(to: .float32)
        return offset == 0 ? weight : weight + offset
    }

    /// - Parameter x: `[..., channels]`.
    public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        return pass.visit(site, .output, rmsNorm(x, weight: scale, epsilon: epsilon))
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
    }
}
