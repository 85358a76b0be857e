public import TensorCore
public import Weights

/// A two-dimensional convolution with a square kernel.
public struct Convolution: Layer {
    public private(set) var weight: Tensor
    public private(set) var bias: Tensor?
    public let geometry: ConvolutionGeometry
    public let site: Int

    /// - Parameters:
    ///   - kernel: height and width of the kernel.
    ///   - geometry: stride, padding and groups; with nil the output keeps the size of the input.
    public init(
        _ inputs: Int, _ outputs: Int, kernel: Int, geometry: ConvolutionGeometry? = nil, hasBias: Bool = true,
        _ weights: ScopedWeights
    ) throws {
        let geometry = geometry ?? ConvolutionGeometry(padding: kernel / 2)
        let fan = inputs / geometry.groups
        let initial = Initialization.kaimingUniform(fanIn: fan * kernel * kernel)
        weight = try weights.tensor("weight", shape: [outputs, fan, kernel, kernel], initial: initial)
        bias = hasBias ? try weights.tensor("bias", shape: [outputs], initial: initial) : nil
        self.geometry = geometry
        site = weights.site
    }

    /// - Parameter x: `[batch, inputs, height, width]`.
    /// - Returns: `[batch, outputs, height', width']`.
    public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let layer = BaseLayer(weight: weight, bias: bias, .convolution(geometry))
        return pass.visit(site, .output, pass.adapted(layer, input: x, at: site))
    }

    /// The output added to a residual of its shape, in one step where nothing comes between.
    public func callAsFunction(_ x: Tensor, addedTo residual: @autoclosure () -> Tensor, _ pass: Pass) -> Tensor {
        if pass.isPlain { return convolution(x, weight, bias, geometry, addedTo: residual()) }
        let y = self(x, pass)
        return residual() + y
    }

    /// Whether the layer rounds its input to bfloat16, so that whoever makes it may do so.
    public func roundsInput(_ pass: Pass) -> Bool { pass.roundsOperands(of: weight) }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
        bias = bias.map(transform)
    }
}
