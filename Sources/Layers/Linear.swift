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
        output(x, .linear, pass)
    }

    /// The output as that of the module that ends with this layer, added to its residual, in one step where nothing comes
    /// between.
    func callAsFunction(_ x: Tensor, addedTo residual: Tensor?, of module: Int, _ pass: Pass) -> Tensor {
        if pass.isPlain, let residual { return linear(x, weight, bias, addedTo: residual) }
        let y = pass.visit(module, .output, self(x, pass))
        return residual.map { $0 + y } ?? y
    }

    /// The weight and the bias.
    public var map: AffineMap { AffineMap(weight: weight, bias: bias) }

    /// Whether the layer rounds its input to bfloat16, so that whoever makes it may do so.
    public func roundsInput(_ pass: Pass) -> Bool { pass.roundsOperands(of: weight) }

    /// The outputs of layers that read one input: what each gives alone, in one product where nothing comes between.
    public static func outputs(of layers: [Linear], _ x: Tensor, _ pass: Pass) -> [Tensor] {
        guard pass.isPlain else { return layers.map { $0(x, pass) } }
        return linears(x, layers.map(\.map))
    }

    /// The output as it is added to every place of a feature map: the same vector everywhere, unless adapters are
    /// confined to a region.
    ///
    /// - Parameter x: `[batch, inputs]`.
    /// - Returns: `[batch, outputs, 1, 1]`, or `[batch, outputs, height, width]` where places differ.
    public func spread(_ x: Tensor, height: Int, width: Int, _ pass: Pass) -> Tensor {
        let y = output(x, .spreadLinear(height: height, width: width), pass)
        return y.rank == 4 ? y : y.unsqueezed(-1).unsqueezed(-1)
    }

    private func output(_ x: Tensor, _ operation: AdaptedOperation, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let layer = BaseLayer(weight: weight, bias: bias, operation)
        return pass.visit(site, .output, pass.adapted(layer, input: x, at: site))
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
        bias = bias.map(transform)
    }
}
