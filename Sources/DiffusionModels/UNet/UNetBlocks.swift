internal import Layers
internal import TensorCore
internal import Weights

/// One resolution on the way down: residual blocks, each followed by a transformer where the block has attention, then
/// a step to half the size.
///
/// Is `CrossAttnDownBlock2D` with transformer options and `DownBlock2D` without. Follows diffusers
/// `unet_2d_blocks.py`.
struct UNetDownBlock: Layer {
    private var residuals: [ResidualBlock]
    private var transformers: [Transformer2D]
    private var downsampler: Downsampler?
    private let site: Int

    init(
        _ inputs: Int, _ outputs: Int, layers: Int, _ options: ResidualBlockOptions,
        transformer: TransformerOptions?, downsamplePadding: Int?, _ weights: ScopedWeights
    ) throws {
        residuals = try (0..<layers).map { index in
            try ResidualBlock(index == 0 ? inputs : outputs, outputs, options, weights.scope("resnets", index))
        }
        transformers =
            try transformer.map { transformer in
                try (0..<layers).map { try Transformer2D(outputs, transformer, weights.scope("attentions", $0)) }
            } ?? []
        downsampler = try downsamplePadding.map { padding in
            try Downsampler(outputs, padding: padding, weights.scope("downsamplers", 0))
        }
        site = weights.site
    }

    /// - Parameter skips: receives every result on the way, for the way up.
    func callAsFunction(
        _ x: Tensor, time: Tensor, context: Tensor, skips: inout [Tensor], _ pass: Pass
    ) -> Tensor {
        var h = pass.visit(site, .input, x)
        for (index, residual) in residuals.enumerated() {
            if pass.isFinished { return h }
            h = residual(h, time: time, pass)
            if pass.isFinished { return h }
            if !transformers.isEmpty { h = transformers[index](h, context: context, pass) }
            skips.append(h)
        }
        if pass.isFinished { return h }
        if let downsampler {
            h = downsampler(h, pass)
            skips.append(h)
        }
        return pass.visit(site, .output, h)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        residuals.mapParameters(transform)
        transformers.mapParameters(transform)
        downsampler.mapParameters(transform)
    }
}

/// The lowest resolution: a residual block, then transformer and residual block in turn.
///
/// Is `UNetMidBlock2DCrossAttn` with transformer options, and `UNetMidBlock2D` without: one residual block alone.
struct UNetMidBlock: Layer {
    private var first: ResidualBlock
    private var transformers: [Transformer2D]
    private var residuals: [ResidualBlock]
    private let site: Int

    init(
        _ channels: Int, _ options: ResidualBlockOptions, transformer: TransformerOptions?, _ weights: ScopedWeights
    ) throws {
        first = try ResidualBlock(channels, channels, options, weights.scope("resnets", 0))
        transformers = try transformer.map { [try Transformer2D(channels, $0, weights.scope("attentions", 0))] } ?? []
        residuals = try transformers.indices.map { index in
            try ResidualBlock(channels, channels, options, weights.scope("resnets", index + 1))
        }
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, time: Tensor, context: Tensor, _ pass: Pass) -> Tensor {
        var h = first(pass.visit(site, .input, x), time: time, pass)
        for (transformer, residual) in zip(transformers, residuals) {
            if pass.isFinished { return h }
            h = transformer(h, context: context, pass)
            if pass.isFinished { return h }
            h = residual(h, time: time, pass)
        }
        if pass.isFinished { return h }
        return pass.visit(site, .output, h)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        first.mapParameters(transform)
        transformers.mapParameters(transform)
        residuals.mapParameters(transform)
    }
}

/// One resolution on the way up: each residual block takes back one result of the way down.
///
/// Is `CrossAttnUpBlock2D` with transformer options and `UpBlock2D` without.
struct UNetUpBlock: Layer {
    private var residuals: [ResidualBlock]
    private var transformers: [Transformer2D]
    private var upsampler: Upsampler?
    private let site: Int

    /// - Parameters:
    ///   - previous: channels of the block below.
    ///   - skipChannels: channels of the result that each residual block takes back.
    init(
        previous: Int, _ outputs: Int, skipChannels: [Int], _ options: ResidualBlockOptions,
        transformer: TransformerOptions?, upsamples: Bool, _ weights: ScopedWeights
    ) throws {
        residuals = try skipChannels.enumerated().map { index, skip in
            try ResidualBlock(
                (index == 0 ? previous : outputs) + skip, outputs, options, weights.scope("resnets", index))
        }
        transformers =
            try transformer.map { transformer in
                try skipChannels.indices.map {
                    try Transformer2D(outputs, transformer, weights.scope("attentions", $0))
                }
            } ?? []
        upsampler = upsamples ? try Upsampler(outputs, weights.scope("upsamplers", 0)) : nil
        site = weights.site
    }

    /// - Parameter skips: gives up its last results; what is left tells the size to go up to.
    func callAsFunction(
        _ x: Tensor, time: Tensor, context: Tensor, skips: inout [Tensor], _ pass: Pass
    ) -> Tensor {
        var h = pass.visit(site, .input, x)
        for (index, residual) in residuals.enumerated() {
            if pass.isFinished { return h }
            h = residual(concatenated([h, skips.removeLast()], axis: 1), time: time, pass)
            if pass.isFinished { return h }
            if !transformers.isEmpty { h = transformers[index](h, context: context, pass) }
        }
        if pass.isFinished { return h }
        if let upsampler { h = upsampler(h, to: skips.last.map { Array($0.shape[2...]) }, pass) }
        return pass.visit(site, .output, h)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        residuals.mapParameters(transform)
        transformers.mapParameters(transform)
        upsampler.mapParameters(transform)
    }
}
