internal import Layers
internal import TensorCore
internal import Weights

/// The feed-forward part of GPT-2 and GPT-NeoX, which name and start its two matrices in their own ways.
///
///     y = output(activation(input(x)))
struct PlainFeedForward: Layer {
    private var input: Linear
    private var output: Linear
    private let activation: Activation
    private let activationSite: Int
    private let site: Int

    /// - Parameter make: the two linear layers, from the part's weights.
    init(
        _ activation: Activation, _ weights: ScopedWeights,
        make: (ScopedWeights) throws -> (input: Linear, output: Linear)
    ) throws {
        (input, output) = try make(weights)
        self.activation = activation
        activationSite = weights.scope("act").site
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let h = pass.visit(
            activationSite, .output, activation(pass.visit(activationSite, .input, input(x, pass))))
        return pass.visit(site, .output, output(h, pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        input.mapParameters(transform)
        output.mapParameters(transform)
    }
}
