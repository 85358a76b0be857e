internal import Layers
internal import TensorCore
internal import Weights

/// The settings that all residual blocks of a model share.
struct ResidualBlockOptions {
    var groups: Int
    var epsilon: Float
    var activation: Activation
    /// Width of the time embedding; nil for blocks that know no time.
    var timeChannels: Int?
}

/// Two convolutions beside a residual, moved by the time embedding.
///
///     h = conv1(act(norm1(x))) + time_emb_proj(act(time))
///     y = shortcut(x) + conv2(act(norm2(h)))
///
/// Follows diffusers `resnet.py`, ResnetBlock2D.
struct ResidualBlock: Layer {
    private var norm1: GroupNorm
    private var conv1: Convolution
    private var timeProjection: Linear?
    private var norm2: GroupNorm
    private var conv2: Convolution
    private var shortcut: Convolution?
    private let activation: Activation
    private let site: Int

    init(_ inputs: Int, _ outputs: Int, _ options: ResidualBlockOptions, _ weights: ScopedWeights) throws {
        let (groups, epsilon) = (options.groups, options.epsilon)
        norm1 = try GroupNorm(inputs, groups: groups, epsilon: epsilon, weights.scope("norm1"))
        conv1 = try Convolution(inputs, outputs, kernel: 3, weights.scope("conv1"))
        timeProjection = try options.timeChannels.map { timeChannels in
            try Linear(timeChannels, outputs, weights.scope("time_emb_proj"))
        }
        norm2 = try GroupNorm(outputs, groups: groups, epsilon: epsilon, weights.scope("norm2"))
        conv2 = try Convolution(outputs, outputs, kernel: 3, weights.scope("conv2"))
        shortcut =
            inputs == outputs ? nil : try Convolution(inputs, outputs, kernel: 1, weights.scope("conv_shortcut"))
        activation = options.activation
        site = weights.site
    }

    /// - Parameters:
    ///   - x: `[batch, inputs, height, width]`.
    ///   - time: `[batch, timeChannels]`.
    /// - Returns: `[batch, outputs, height, width]`.
    func callAsFunction(_ x: Tensor, time: Tensor? = nil, _ pass: Pass) -> Tensor {
        checkpointed([x] + (time.map { [$0] } ?? []), pass) { block, inputs, pass in
            block.forward(inputs[0], time: inputs.count > 1 ? inputs[1] : nil, pass)
        }
    }

    private func forward(_ x: Tensor, time: Tensor?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        var h = conv1(norm1(x, then: activation, rounded: conv1.roundsInput(pass), pass), pass)
        if let time, let timeProjection {
            h = h + timeProjection.spread(activation(time), height: h.size(2), width: h.size(3), pass)
        }
        h = norm2(h, then: activation, rounded: conv2.roundsInput(pass), pass)
        return pass.visit(site, .output, conv2(h, addedTo: shortcut?(x, pass) ?? x, pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm1.mapParameters(transform)
        conv1.mapParameters(transform)
        timeProjection.mapParameters(transform)
        norm2.mapParameters(transform)
        conv2.mapParameters(transform)
        shortcut.mapParameters(transform)
    }
}
