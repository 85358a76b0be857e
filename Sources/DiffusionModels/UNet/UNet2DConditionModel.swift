public import Layers
public import TensorCore
public import Weights

/// What a UNet may be told beside its context.
public struct AddedConditioning: Sendable {
    /// Pooled text, `[batch, width]`, for `text_time` models (SDXL).
    public var pooledText: Tensor?
    /// Sizes and crops, `[batch, count]`, for `text_time` models.
    public var timeIDs: Tensor?
    /// An embedded guidance scale, `[batch, timeCondProjDim]`, for distilled models.
    public var guidance: Tensor?

    public init(pooledText: Tensor? = nil, timeIDs: Tensor? = nil, guidance: Tensor? = nil) {
        self.pooledText = pooledText
        self.timeIDs = timeIDs
        self.guidance = guidance
    }
}

/// The denoising UNet of latent diffusion, of any block list.
///
/// Follows diffusers `unet_2d_condition.py`.
public struct UNet2DConditionModel: Layer {
    public let configuration: UNet2DConditionConfiguration
    private let timeWaves: SinusoidalEmbedding
    private var timeEmbedding: TimeEmbedding
    private var addedEmbedding: AddedEmbedding?
    private var convIn: Convolution
    private var downBlocks: [UNetDownBlock]
    private var midBlock: UNetMidBlock?
    private var upBlocks: [UNetUpBlock]
    private var normOut: GroupNorm
    private var convOut: Convolution

    public init(_ configuration: UNet2DConditionConfiguration, weights: ScopedWeights) throws {
        try configuration.validate()
        self.configuration = configuration
        let plan = try UNetPlan(configuration)
        let (first, last) = (plan.blocks[0].channels, plan.blocks[plan.blocks.count - 1])

        timeWaves = SinusoidalEmbedding(
            first, cosinesFirst: configuration.flipSinToCos, shift: configuration.freqShift,
            site: weights.scope("time_proj").site)
        timeEmbedding = try TimeEmbedding(
            first, plan.timeChannels, activation: configuration.activation,
            conditionWidth: configuration.timeCondProjDim, weights.scope("time_embedding"))
        addedEmbedding = try AddedEmbedding(configuration, plan.timeChannels, weights)

        convIn = try Convolution(configuration.inChannels, first, kernel: 3, weights.scope("conv_in"))
        downBlocks = try plan.blocks.indices.map { try plan.downBlock($0, weights.scope("down_blocks", $0)) }
        midBlock = try configuration.midBlockType.map { type in
            try UNetMidBlock(
                last.channels, plan.residual,
                transformer: type == "UNetMidBlock2DCrossAttn" ? plan.transformer(last, isMiddle: true) : nil,
                weights.scope("mid_block"))
        }
        upBlocks = try plan.blocks.indices.map { try plan.upBlock($0, weights.scope("up_blocks", $0)) }
        normOut = try GroupNorm(
            first, groups: configuration.normGroups, epsilon: configuration.normEpsilon,
            weights.scope("conv_norm_out"))
        convOut = try Convolution(first, configuration.outChannels, kernel: 3, weights.scope("conv_out"))
    }

    /// Predicts the noise (or velocity) in a batch of latents.
    ///
    /// - Parameters:
    ///   - sample: `[batch, inChannels, height, width]`; sizes need not be multiples of anything.
    ///   - timesteps: `[batch]`, whole or fractional.
    ///   - context: `[batch, tokens, crossAttentionDim]`.
    ///   - added: what `text_time` models and distilled ones need besides.
    /// - Returns: `[batch, outChannels, height, width]`; no output of the model where the pass's plan ended early.
    public func callAsFunction(
        _ sample: Tensor, timesteps: Tensor, context: Tensor, added: AddedConditioning? = nil, _ pass: Pass
    ) -> Tensor {
        var time = timeEmbedding(timeWaves(timesteps, pass), condition: added?.guidance, pass)
        if let addedEmbedding { time = time + addedEmbedding(added, pass) }

        var h = convIn(sample, pass)
        var skips = [h]
        for block in downBlocks {
            if pass.isFinished { return h }
            h = block(h, time: time, context: context, skips: &skips, pass)
        }
        if pass.isFinished { return h }
        if let midBlock { h = midBlock(h, time: time, context: context, pass) }
        for block in upBlocks {
            if pass.isFinished { return h }
            h = block(h, time: time, context: context, skips: &skips, pass)
        }
        if pass.isFinished { return h }
        return convOut(normOut(h, then: configuration.activation, rounded: convOut.roundsInput(pass), pass), pass)
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        timeEmbedding.mapParameters(transform)
        addedEmbedding.mapParameters(transform)
        convIn.mapParameters(transform)
        downBlocks.mapParameters(transform)
        midBlock.mapParameters(transform)
        upBlocks.mapParameters(transform)
        normOut.mapParameters(transform)
        convOut.mapParameters(transform)
    }
}

/// Which blocks a configuration asks for.
private struct UNetPlan {
    let configuration: UNet2DConditionConfiguration
    let blocks: [UNet2DConditionConfiguration.Block]
    let timeChannels: Int
    let residual: ResidualBlockOptions

    init(_ configuration: UNet2DConditionConfiguration) throws {
        self.configuration = configuration
        blocks = try configuration.blocks()
        timeChannels = 4 * blocks[0].channels
        residual = ResidualBlockOptions(
            groups: configuration.normGroups, epsilon: configuration.normEpsilon,
            activation: configuration.activation, timeChannels: timeChannels)
    }

    func transformer(_ block: UNet2DConditionConfiguration.Block, isMiddle: Bool = false) -> TransformerOptions {
        // A list in the file says nothing about the middle; a single value holds for it, too.
        let onlyCross = isMiddle ? configuration.onlyCrossAttention == .all(true) : block.onlyCrossAttention
        return TransformerOptions(
            heads: block.heads, contextChannels: block.contextChannels, depth: block.depth,
            groups: configuration.normGroups, usesLinearProjection: configuration.useLinearProjection,
            onlyCrossAttention: onlyCross)
    }

    func downBlock(_ index: Int, _ weights: ScopedWeights) throws -> UNetDownBlock {
        let block = blocks[index]
        let hasAttention = configuration.downBlockTypes[index] == "CrossAttnDownBlock2D"
        return try UNetDownBlock(
            blocks[max(index - 1, 0)].channels, block.channels, layers: block.layers, residual,
            transformer: hasAttention ? transformer(block) : nil,
            downsamplePadding: index < blocks.count - 1 ? configuration.downsamplePadding : nil, weights)
    }

    /// The way up takes back what the way down left behind: for each resolution one result a residual block, and the
    /// input of the resolution.
    func upBlock(_ index: Int, _ weights: ScopedWeights) throws -> UNetUpBlock {
        let level = blocks.count - 1 - index
        let block = blocks[level]
        let hasAttention = configuration.upBlockTypes[index] == "CrossAttnUpBlock2D"
        let skips = [Int](repeating: block.channels, count: block.layers) + [blocks[max(level - 1, 0)].channels]
        return try UNetUpBlock(
            previous: blocks[min(level + 1, blocks.count - 1)].channels, block.channels, skipChannels: skips,
            residual, transformer: hasAttention ? transformer(block) : nil, upsamples: level > 0, weights)
    }
}

/// Pooled text and sizes as an addition to the time embedding (`text_time`).
///
///     y = add_embedding([pooledText | waves(timeIDs)])
private struct AddedEmbedding: Layer {
    private let waves: SinusoidalEmbedding
    private var embedding: TimeEmbedding

    /// Nil for models without such an addition.
    init?(_ configuration: UNet2DConditionConfiguration, _ timeChannels: Int, _ weights: ScopedWeights) throws {
        guard configuration.additionEmbedType == "text_time", let width = configuration.additionTimeEmbedDim,
            let inputs = configuration.projectionInputDim
        else { return nil }
        waves = SinusoidalEmbedding(
            width, cosinesFirst: configuration.flipSinToCos, shift: configuration.freqShift,
            site: weights.scope("add_time_proj").site)
        embedding = try TimeEmbedding(
            inputs, timeChannels, activation: configuration.activation, weights.scope("add_embedding"))
    }

    func callAsFunction(_ added: AddedConditioning?, _ pass: Pass) -> Tensor {
        guard let text = added?.pooledText, let ids = added?.timeIDs else {
            preconditionFailure("UNet2DConditionModel: a text_time model needs pooledText and timeIDs")
        }
        let sizes = waves(ids.reshaped([-1]), pass).reshaped([ids.size(0), -1])
        return embedding(concatenated([text, sizes], axis: -1), pass)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) { embedding.mapParameters(transform) }
}
