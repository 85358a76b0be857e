public import TensorCore
public import Weights

/// The feed-forward part of a diffusion transformer block, gated by GELU.
///
///     hidden, gate = split(net.0.proj(x))
///     y = net.2(hidden * gelu(gate))
///
/// Follows diffusers `attention.py`, FeedForward with `geglu`; `net.1` is its dropout.
public struct FeedForward: Layer {
    private var projection: Linear
    private var output: Linear
    private let gateSite: Int
    public let site: Int

    /// - Parameter inner: the width between the layers; four times `channels` when nil.
    public init(_ channels: Int, inner: Int? = nil, _ weights: ScopedWeights) throws {
        let inner = inner ?? 4 * channels
        let gate = weights.scope("net", 0)
        projection = try Linear(channels, 2 * inner, gate.scope("proj"))
        output = try Linear(inner, channels, weights.scope("net", 2))
        gateSite = gate.site
        site = weights.site
    }

    /// - Parameters:
    ///   - x: `[..., channels]`.
    ///   - residual: what the output is added to, if anything.
    public func callAsFunction(_ x: Tensor, addedTo residual: Tensor? = nil, _ pass: Pass) -> Tensor {
        checkpointed([x] + (residual.map { [$0] } ?? []), pass, under: .feedForward) { layer, inputs, pass in
            layer.forward(inputs[0], addedTo: inputs.count > 1 ? inputs[1] : nil, pass)
        }
    }

    private func forward(_ x: Tensor, addedTo residual: Tensor?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let isRounded = output.roundsInput(pass)
        let gated =
            pass.isPlain
            ? geglu(x, of: projection.map, rounded: isRounded)
            : geglu(projection(pass.visit(gateSite, .input, x), pass), rounded: isRounded)
        return output(pass.visit(gateSite, .output, gated), addedTo: residual, of: site, pass)
    }

    /// Whether the first layer rounds its input to bfloat16, so that whoever makes it may do so.
    public func roundsInput(_ pass: Pass) -> Bool { projection.roundsInput(pass) }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        projection.mapParameters(transform)
        output.mapParameters(transform)
    }
}
