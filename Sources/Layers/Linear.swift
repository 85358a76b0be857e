public import TensorCore
public import Weights

/// An affine map of the last dimension.
///
///     y = x · weightᵀ + bias
public struct Linear: Layer {
    public private(set) var weight: Tensor
    public private(set) var bias: Tensor?
    public let site: Int

    /// - Parameters:
    ///   - hasBias: whether the layer has a `bias` beside its `weight`.
    ///   - initialWeight, initialBias: values to begin training with; torch's defaults when nil.
    public init(
        _ inputs: Int, _ outputs: Int, hasBias: Bool = true, initialWeight: Initialization? = nil,
        initialBias: Initialization? = nil, _ weights: ScopedWeights
    ) throws {
        let standard = Initialization.kaimingUniform(fanIn: inputs)
        weight = try weights.tensor("weight", shape: [outputs, inputs], initial: initialWeight ?? standard)
        bias = hasBias ? try weights.tensor("bias", shape: [outputs], initial: initialBias ?? standard) : nil
        site = weights.site
    }

    /// A layer of tensors that are at hand: a table of tokens read backwards, a matrix stored the other way round.
    ///
    /// - Parameter weight: `[outputs, inputs]`.
    public init(weight: Tensor, bias: Tensor? = nil, site: Int) {
        self.weight = weight
        self.bias = bias
        self.site = site
    }

    /// - Parameter x: `[..., inputs]`.
    /// - Returns: `[..., outputs]`.
    public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        return pass.visit(site, .output, pass.adapted(linear(x, weight, bias), input: x, at: site, .linear))
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
        bias = bias.map(transform)
    }
}
