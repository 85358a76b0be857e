public import Layers
public import TensorCore
public import Weights

/// The variational autoencoder of latent diffusion: pictures to latents and back.
///
/// Pictures are `[batch, 3, height, width]` in -1...1; latents are `downsamplingFactor` times smaller. Follows
/// diffusers `autoencoder_kl.py` and `vae.py`.
public struct AutoencoderKL: Layer {
    public let configuration: AutoencoderKLConfiguration
    private var encoder: AutoencoderEncoder
    private var quantConv: Convolution?
    private var postQuantConv: Convolution?
    private var decoder: AutoencoderDecoder

    public init(_ configuration: AutoencoderKLConfiguration, weights: ScopedWeights) throws {
        try configuration.validate()
        self.configuration = configuration
        let latents = configuration.latentChannels
        encoder = try AutoencoderEncoder(configuration, weights.scope("encoder"))
        if configuration.useQuantConv {
            quantConv = try Convolution(2 * latents, 2 * latents, kernel: 1, weights.scope("quant_conv"))
        }
        if configuration.usePostQuantConv {
            postQuantConv = try Convolution(latents, latents, kernel: 1, weights.scope("post_quant_conv"))
        }
        decoder = try AutoencoderDecoder(configuration, weights.scope("decoder"))
    }

    /// - Parameter pictures: `[batch, inChannels, height, width]`.
    /// - Returns: the distribution of the latents, `[batch, latentChannels, height / factor, width / factor]`.
    public func encode(_ pictures: Tensor, _ pass: Pass) -> DiagonalGaussian {
        let h = encoder(pictures, pass)
        return DiagonalGaussian(moments: quantConv?(h, pass) ?? h)
    }

    /// - Parameter latents: `[batch, latentChannels, height, width]`, as the encoder gives them, not scaled.
    /// - Returns: pictures, `[batch, outChannels, height * factor, width * factor]`.
    public func decode(_ latents: Tensor, _ pass: Pass) -> Tensor {
        decoder(postQuantConv?(latents, pass) ?? latents, pass)
    }

    /// Latents as the diffusion model wants them: `(latents - shift) * scale`.
    public func scaled(_ latents: Tensor) -> Tensor {
        let shifted = configuration.shiftFactor.map { latents - Double($0) } ?? latents
        return shifted * Double(configuration.scalingFactor)
    }

    /// The inverse of `scaled`: `latents / scale + shift`.
    public func unscaled(_ latents: Tensor) -> Tensor {
        let latents = latents / Double(configuration.scalingFactor)
        return configuration.shiftFactor.map { latents + Double($0) } ?? latents
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        encoder.mapParameters(transform)
        quantConv.mapParameters(transform)
        postQuantConv.mapParameters(transform)
        decoder.mapParameters(transform)
    }
}

extension ResidualBlockOptions {
    /// All norms of an autoencoder have epsilon 1e-6.
    fileprivate init(_ configuration: AutoencoderKLConfiguration) {
        self.init(
            groups: configuration.normGroups, epsilon: 1e-6, activation: configuration.activation, timeChannels: nil)
    }
}

/// Pictures to moments.
private struct AutoencoderEncoder: Layer {
    private var convIn: Convolution
    private var downBlocks: [AutoencoderBlock]
    private var midBlock: AutoencoderMidBlock
    private var normOut: GroupNorm
    private var convOut: Convolution
    private let activation: Activation
    private let site: Int

    init(_ configuration: AutoencoderKLConfiguration, _ weights: ScopedWeights) throws {
        let options = ResidualBlockOptions(configuration)
        let widths = configuration.blockOutChannels
        let last = widths[widths.count - 1]
        convIn = try Convolution(configuration.inChannels, widths[0], kernel: 3, weights.scope("conv_in"))
        downBlocks = try widths.indices.map { index in
            try AutoencoderBlock(
                widths[max(index - 1, 0)], widths[index], layers: configuration.layersPerBlock, options,
                then: index < widths.count - 1 ? .down : nil, weights.scope("down_blocks", index))
        }
        midBlock = try AutoencoderMidBlock(
            last, hasAttention: configuration.midBlockAddAttention, options, weights.scope("mid_block"))
        normOut = try GroupNorm(
            last, groups: options.groups, epsilon: options.epsilon, weights.scope("conv_norm_out"))
        convOut = try Convolution(last, 2 * configuration.latentChannels, kernel: 3, weights.scope("conv_out"))
        activation = options.activation
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        var h = convIn(x, pass)
        for block in downBlocks { h = block(h, pass) }
        h = midBlock(h, pass)
        return pass.visit(
            site, .output, convOut(normOut(h, then: activation, rounded: convOut.roundsInput(pass), pass), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        convIn.mapParameters(transform)
        downBlocks.mapParameters(transform)
        midBlock.mapParameters(transform)
        normOut.mapParameters(transform)
        convOut.mapParameters(transform)
    }
}

/// Latents to pictures.
private struct AutoencoderDecoder: Layer {
    private var convIn: Convolution
    private var midBlock: AutoencoderMidBlock
    private var upBlocks: [AutoencoderBlock]
    private var normOut: GroupNorm
    private var convOut: Convolution
    private let activation: Activation
    private let site: Int

    init(_ configuration: AutoencoderKLConfiguration, _ weights: ScopedWeights) throws {
        let options = ResidualBlockOptions(configuration)
        let widths = Array(configuration.blockOutChannels.reversed())
        let last = widths[widths.count - 1]
        convIn = try Convolution(configuration.latentChannels, widths[0], kernel: 3, weights.scope("conv_in"))
        midBlock = try AutoencoderMidBlock(
            widths[0], hasAttention: configuration.midBlockAddAttention, options, weights.scope("mid_block"))
        upBlocks = try widths.indices.map { index in
            try AutoencoderBlock(
                widths[max(index - 1, 0)], widths[index], layers: configuration.layersPerBlock + 1, options,
                then: index < widths.count - 1 ? .up : nil, weights.scope("up_blocks", index))
        }
        normOut = try GroupNorm(
            last, groups: options.groups, epsilon: options.epsilon, weights.scope("conv_norm_out"))
        convOut = try Convolution(last, configuration.outChannels, kernel: 3, weights.scope("conv_out"))
        activation = options.activation
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        var h = midBlock(convIn(x, pass), pass)
        for block in upBlocks { h = block(h, pass) }
        return pass.visit(
            site, .output, convOut(normOut(h, then: activation, rounded: convOut.roundsInput(pass), pass), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        convIn.mapParameters(transform)
        midBlock.mapParameters(transform)
        upBlocks.mapParameters(transform)
        normOut.mapParameters(transform)
        convOut.mapParameters(transform)
    }
}
