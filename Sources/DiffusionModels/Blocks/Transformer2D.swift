internal import Layers
internal import TensorCore
internal import Weights

/// The settings of the transformers of one UNet block.
struct TransformerOptions {
    var heads: Int
    var contextChannels: Int
    var depth: Int
    var groups: Int
    /// Whether the projections in and out are linear layers instead of 1x1 convolutions.
    var usesLinearProjection: Bool
    /// Whether the first attention of each block reads the context, too.
    var onlyCrossAttention: Bool
}

/// A feature map as a row of tokens through transformer blocks, beside a residual.
///
///     y = x + proj_out(blocks(proj_in(norm(x))))
///
/// Follows diffusers `transformer_2d.py` (epsilon of the norm 1e-6 there; the UNet's other norms have 1e-5).
struct Transformer2D: Layer {
    private var norm: GroupNorm
    private var projectionIn: TokenProjection
    private var blocks: [TransformerBlock]
    private var projectionOut: TokenProjection
    private let site: Int

    init(_ channels: Int, _ options: TransformerOptions, _ weights: ScopedWeights) throws {
        norm = try GroupNorm(channels, groups: options.groups, epsilon: 1e-6, weights.scope("norm"))
        projectionIn = try TokenProjection(
            channels, isLinear: options.usesLinearProjection, weights.scope("proj_in"))
        blocks = try (0..<options.depth).map { index in
            try TransformerBlock(channels, options, weights.scope("transformer_blocks", index))
        }
        projectionOut = try TokenProjection(
            channels, isLinear: options.usesLinearProjection, weights.scope("proj_out"))
        site = weights.site
    }

    /// - Parameters:
    ///   - x: `[batch, channels, height, width]`.
    ///   - context: `[batch, contextTokens, contextChannels]`.
    func callAsFunction(_ x: Tensor, context: Tensor, _ pass: Pass) -> Tensor {
        checkpointed([x, context], pass) { transformer, inputs, pass in
            transformer.forward(inputs[0], context: inputs[1], pass)
        }
    }

    private func forward(_ x: Tensor, context: Tensor, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        var tokens = projectionIn.tokens(norm(x, rounded: projectionIn.roundsInput(pass), pass), pass)
        for block in blocks { tokens = block(tokens, context: context, pass) }
        let h = projectionOut.map(tokens, height: x.size(2), width: x.size(3), pass)
        return pass.visit(site, .output, h + x)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm.mapParameters(transform)
        projectionIn.mapParameters(transform)
        blocks.mapParameters(transform)
        projectionOut.mapParameters(transform)
    }
}

/// Self-attention, cross-attention and a feed-forward part, each after a norm and beside a residual.
///
///     h = x + attn1(norm1(x))
///     h = h + attn2(norm2(h), context)
///     y = h + ff(norm3(h))
///
/// Follows diffusers `attention.py`, BasicTransformerBlock.
struct TransformerBlock: Layer {
    private var norm1: LayerNorm
    private var selfAttention: Attention
    private var norm2: LayerNorm
    private var crossAttention: Attention
    private var norm3: LayerNorm
    private var feedForward: FeedForward
    private let onlyCrossAttention: Bool
    private let site: Int

    init(_ channels: Int, _ options: TransformerOptions, _ weights: ScopedWeights) throws {
        onlyCrossAttention = options.onlyCrossAttention
        norm1 = try LayerNorm(channels, weights.scope("norm1"))
        selfAttention = try Attention(
            channels, contextChannels: onlyCrossAttention ? options.contextChannels : nil, heads: options.heads,
            weights.scope("attn1"))
        norm2 = try LayerNorm(channels, weights.scope("norm2"))
        crossAttention = try Attention(
            channels, contextChannels: options.contextChannels, heads: options.heads, weights.scope("attn2"))
        norm3 = try LayerNorm(channels, weights.scope("norm3"))
        feedForward = try FeedForward(channels, weights.scope("ff"))
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, context: Tensor, _ pass: Pass) -> Tensor {
        var h = pass.visit(site, .input, x)
        let first = norm1(h, rounded: selfAttention.roundsInput(pass), pass)
        h = selfAttention(first, context: onlyCrossAttention ? context : nil, addedTo: h, pass)
        let second = norm2(h, rounded: crossAttention.roundsInput(pass), pass)
        h = crossAttention(second, context: context, addedTo: h, pass)
        let last = norm3(h, rounded: feedForward.roundsInput(pass), pass)
        return pass.visit(site, .output, feedForward(last, addedTo: h, pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm1.mapParameters(transform)
        selfAttention.mapParameters(transform)
        norm2.mapParameters(transform)
        crossAttention.mapParameters(transform)
        norm3.mapParameters(transform)
        feedForward.mapParameters(transform)
    }
}

/// The way from a feature map to tokens or back: a linear layer, or in older models a 1x1 convolution.
private enum TokenProjection: Layer {
    case linear(Linear)
    case convolution(Convolution)

    init(_ channels: Int, isLinear: Bool, _ weights: ScopedWeights) throws {
        self =
            isLinear
            ? .linear(try Linear(channels, channels, weights))
            : .convolution(try Convolution(channels, channels, kernel: 1, weights))
    }

    func roundsInput(_ pass: Pass) -> Bool {
        switch self {
        case .linear(let linear): linear.roundsInput(pass)
        case .convolution(let convolution): convolution.roundsInput(pass)
        }
    }

    /// `[batch, channels, height, width]` as `[batch, height * width, channels]`, projected.
    func tokens(_ x: Tensor, _ pass: Pass) -> Tensor {
        switch self {
        case .linear(let linear): linear(x.permuted([0, 2, 3, 1]).flattened(1...2), pass)
        case .convolution(let convolution): convolution(x, pass).permuted([0, 2, 3, 1]).flattened(1...2)
        }
    }

    /// `[batch, height * width, channels]` as `[batch, channels, height, width]`, projected.
    func map(_ x: Tensor, height: Int, width: Int, _ pass: Pass) -> Tensor {
        func unfolded(_ x: Tensor) -> Tensor {
            x.reshaped([x.size(0), height, width, x.size(2)]).permuted([0, 3, 1, 2])
        }
        return switch self {
        case .linear(let linear): unfolded(linear(x, pass))
        case .convolution(let convolution): convolution(unfolded(x), pass)
        }
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        switch self {
        case .linear(var linear):
            linear.mapParameters(transform)
            self = .linear(linear)
        case .convolution(var convolution):
            convolution.mapParameters(transform)
            self = .convolution(convolution)
        }
    }
}
