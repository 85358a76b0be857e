internal import Layers
internal import TensorCore
internal import Weights

/// One resolution of an encoder or decoder: residual blocks, then a change of size.
///
/// Is `DownEncoderBlock2D` with a downsampler and `UpDecoderBlock2D` with an upsampler.
struct AutoencoderBlock: Layer {
    enum Step {
        case down, up
    }

    private var residuals: [ResidualBlock]
    private var downsampler: Downsampler?
    private var upsampler: Upsampler?
    private let site: Int

    init(
        _ inputs: Int, _ outputs: Int, layers: Int, _ options: ResidualBlockOptions, then step: Step?,
        _ weights: ScopedWeights
    ) throws {
        residuals = try (0..<layers).map { index in
            try ResidualBlock(index == 0 ? inputs : outputs, outputs, options, weights.scope("resnets", index))
        }
        if step == .down { downsampler = try Downsampler(outputs, padding: 0, weights.scope("downsamplers", 0)) }
        if step == .up { upsampler = try Upsampler(outputs, weights.scope("upsamplers", 0)) }
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        var h = x
        for residual in residuals { h = residual(h, pass) }
        if let downsampler { h = downsampler(h, pass) }
        if let upsampler { h = upsampler(h, pass) }
        return pass.visit(site, .output, h)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        residuals.mapParameters(transform)
        downsampler.mapParameters(transform)
        upsampler.mapParameters(transform)
    }
}

/// Residual block, attention, residual block.
struct AutoencoderMidBlock: Layer {
    private var first: ResidualBlock
    private var attention: SpatialAttention?
    private var second: ResidualBlock
    private let site: Int

    init(_ channels: Int, hasAttention: Bool, _ options: ResidualBlockOptions, _ weights: ScopedWeights) throws {
        first = try ResidualBlock(channels, channels, options, weights.scope("resnets", 0))
        attention =
            hasAttention ? try SpatialAttention(channels, options, weights.scope("attentions", 0)) : nil
        second = try ResidualBlock(channels, channels, options, weights.scope("resnets", 1))
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        var h = first(x, pass)
        if let attention { h = attention(h, pass) }
        return pass.visit(site, .output, second(h, pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        first.mapParameters(transform)
        attention.mapParameters(transform)
        second.mapParameters(transform)
    }
}

/// Attention of every pixel to every other with one head, after a group norm and beside a residual.
///
/// Older files call the projections `query`, `key`, `value` and `proj_attn`; the paths of the layers are the newer
/// names in either case.
struct SpatialAttention: Layer {
    private var norm: GroupNorm
    private var attention: Attention
    private let site: Int

    init(_ channels: Int, _ options: ResidualBlockOptions, _ weights: ScopedWeights) throws {
        norm = try GroupNorm(
            channels, groups: options.groups, epsilon: options.epsilon, weights.scope("group_norm"))
        let isOld = weights.contains("query.weight")
        func projection(_ name: String, old: String) throws -> Linear {
            try Linear(channels, channels, weights.scope(name, storedAs: isOld ? old : name))
        }
        attention = Attention(
            queries: try projection("to_q", old: "query"), keys: try projection("to_k", old: "key"),
            values: try projection("to_v", old: "value"), output: try projection("to_out.0", old: "proj_attn"),
            heads: 1, site: weights.site)
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        checkpointed([x], pass) { layer, inputs, pass in layer.forward(inputs[0], pass) }
    }

    private func forward(_ x: Tensor, _ pass: Pass) -> Tensor {
        let tokens = norm(x, rounded: attention.roundsInput(pass), pass).permuted([0, 2, 3, 1]).flattened(1...2)
        let h = attention(tokens, pass)
        let map = h.reshaped([x.size(0), x.size(2), x.size(3), x.size(1)]).permuted([0, 3, 1, 2])
        return pass.visit(site, .output, map + x)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm.mapParameters(transform)
        attention.mapParameters(transform)
    }
}
