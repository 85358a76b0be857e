public import Layers

/// The shape of a conditional UNet: the `config.json` of diffusers, with its defaults.
public struct UNet2DConditionConfiguration: ModelConfiguration {
    public var className = "UNet2DConditionModel"
    /// Height and width of the latents that the model was trained on.
    public var sampleSize = 64
    public var inChannels = 4
    public var outChannels = 4
    public var flipSinToCos = true
    public var freqShift: Float = 0
    public var downBlockTypes = [
        "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D",
    ]
    /// nil for a model without a middle.
    public var midBlockType: String? = "UNetMidBlock2DCrossAttn"
    public var upBlockTypes = ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
    public var onlyCrossAttention: PerBlock<Bool> = false
    public var blockOutChannels = [320, 640, 1280, 1280]
    public var layersPerBlock: PerBlock<Int> = 2
    public var downsamplePadding = 1
    public var activation = Activation.silu
    public var normGroups = 32
    public var normEpsilon: Float = 1e-5
    public var crossAttentionDim: PerBlock<Int> = 1280
    public var transformerLayersPerBlock: PerBlock<Int> = 1
    /// The number of heads, in spite of its name in the file (`attention_head_dim`).
    public var attentionHeads: PerBlock<Int> = 8
    public var useLinearProjection = false
    /// nil or `text_time`.
    public var additionEmbedType: String?
    public var additionTimeEmbedDim: Int?
    public var projectionInputDim: Int?
    public var timeCondProjDim: Int?
    public var upcastAttention = false

    public init() {}

    /// What the files may say of things that are not built here: only that they are absent.
    public static let inertValues: [String: [JSONValue]] = [
        "addition_embed_type": [nil, "text_time"], "attention_type": ["default"], "center_input_sample": [false],
        "class_embed_type": [nil], "class_embeddings_concat": [false], "conv_in_kernel": [3], "conv_out_kernel": [3],
        "cross_attention_norm": [nil], "dropout": [0], "dual_cross_attention": [false], "encoder_hid_dim": [nil],
        "encoder_hid_dim_type": [nil], "mid_block_only_cross_attention": [nil], "mid_block_scale_factor": [1],
        "num_attention_heads": [nil], "num_class_embeds": [nil], "resnet_out_scale_factor": [1],
        "resnet_skip_time_act": [false], "resnet_time_scale_shift": ["default"],
        "reverse_transformer_layers_per_block": [nil], "time_embedding_act_fn": [nil], "time_embedding_dim": [nil],
        "time_embedding_type": ["positional"], "timestep_post_act": [nil],
    ]

    private static let downTypes = ["CrossAttnDownBlock2D", "DownBlock2D"]
    private static let upTypes = ["CrossAttnUpBlock2D", "UpBlock2D"]
    private static let midTypes = ["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"]

    public func validate() throws {
        let count = downBlockTypes.count
        func check(_ isRight: Bool, _ key: String, _ expected: @autoclosure () -> String, _ found: Any) throws {
            guard isRight else { throw ConfigurationError(key: key, expected: expected(), found: "\(found)") }
        }
        try check((1...16).contains(count), "down_block_types", "1 to 16 blocks", "\(count)")
        for type in downBlockTypes {
            try check(Self.downTypes.contains(type), "down_block_types", "any of \(Self.downTypes)", type)
        }
        for type in upBlockTypes {
            try check(Self.upTypes.contains(type), "up_block_types", "any of \(Self.upTypes)", type)
        }
        if let type = midBlockType {
            try check(Self.midTypes.contains(type), "mid_block_type", "null or any of \(Self.midTypes)", type)
        }
        try check(upBlockTypes.count == count, "up_block_types", "\(count) blocks, as on the way down", upBlockTypes)
        try check(blockOutChannels.count == count, "block_out_channels", "\(count) values", blockOutChannels)
        try check([0, 1].contains(downsamplePadding), "downsample_padding", "0 or 1", downsamplePadding)
        for (key, value) in [
            ("in_channels", inChannels), ("out_channels", outChannels), ("norm_num_groups", normGroups),
        ] {
            try check((1...65_536).contains(value), key, "1 to 65536", value)
        }
        try check((1...65_536).contains(sampleSize), "sample_size", "1 to 65536", sampleSize)
        try check(normEpsilon > 0 && normEpsilon.isFinite, "norm_eps", "above 0", normEpsilon)
        for (key, value) in [
            ("addition_time_embed_dim", additionTimeEmbedDim),
            ("projection_class_embeddings_input_dim", projectionInputDim), ("time_cond_proj_dim", timeCondProjDim),
        ] {
            try check((1...1_048_576).contains(value ?? 1), key, "1 to 1048576", value ?? 0)
        }
        let blocks = try blocks()
        for (index, block) in blocks.enumerated() {
            try check(
                block.channels > 0 && block.channels % normGroups == 0, "block_out_channels",
                "multiples of norm_num_groups \(normGroups)", blockOutChannels)
            try check((1...64).contains(block.layers), "layers_per_block", "1 to 64", block.layers)
            try check((1...64).contains(block.depth), "transformer_layers_per_block", "1 to 64", block.depth)
            try check(
                (1...65_536).contains(block.contextChannels), "cross_attention_dim", "1 to 65536", block.contextChannels
            )
            try check(block.channels <= 65_536, "block_out_channels", "at most 65536", block.channels)
            let hasAttention =
                downBlockTypes[index].hasPrefix("CrossAttn") || upBlockTypes[count - 1 - index].hasPrefix("CrossAttn")
                || (index == count - 1 && midBlockType == "UNetMidBlock2DCrossAttn")
            try check(
                block.heads > 0 && (!hasAttention || block.channels % block.heads == 0), "attention_head_dim",
                "a number of heads that divides \(block.channels) channels", block.heads)
        }
        if additionEmbedType == "text_time" {
            try check(additionTimeEmbedDim != nil, "addition_time_embed_dim", "a width, for text_time", "null")
            try check(
                projectionInputDim != nil, "projection_class_embeddings_input_dim", "a width, for text_time", "null")
        }
    }

    /// The width of the context that the first resolution reads.
    public var contextWidth: Int {
        switch crossAttentionDim {
        case .all(let width): width
        case .each(let widths): widths.first ?? 0
        }
    }

    /// What one resolution has, counted on the way down.
    struct Block {
        var channels: Int
        var layers: Int
        var heads: Int
        var depth: Int
        var contextChannels: Int
        var onlyCrossAttention: Bool
    }

    func blocks() throws -> [Block] {
        let count = blockOutChannels.count
        let layers = try layersPerBlock.values(count, key: "layers_per_block")
        let heads = try attentionHeads.values(count, key: "attention_head_dim")
        let depths = try transformerLayersPerBlock.values(count, key: "transformer_layers_per_block")
        let contexts = try crossAttentionDim.values(count, key: "cross_attention_dim")
        let onlyCross = try onlyCrossAttention.values(count, key: "only_cross_attention")
        return (0..<count).map { index in
            Block(
                channels: blockOutChannels[index], layers: layers[index], heads: heads[index], depth: depths[index],
                contextChannels: contexts[index], onlyCrossAttention: onlyCross[index])
        }
    }
}

extension UNet2DConditionConfiguration {
    enum CodingKeys: String, CodingKey {
        case className = "_class_name"
        case sampleSize = "sample_size"
        case inChannels = "in_channels"
        case outChannels = "out_channels"
        case flipSinToCos = "flip_sin_to_cos"
        case freqShift = "freq_shift"
        case downBlockTypes = "down_block_types"
        case midBlockType = "mid_block_type"
        case upBlockTypes = "up_block_types"
        case onlyCrossAttention = "only_cross_attention"
        case blockOutChannels = "block_out_channels"
        case layersPerBlock = "layers_per_block"
        case downsamplePadding = "downsample_padding"
        case activation = "act_fn"
        case normGroups = "norm_num_groups"
        case normEpsilon = "norm_eps"
        case crossAttentionDim = "cross_attention_dim"
        case transformerLayersPerBlock = "transformer_layers_per_block"
        case attentionHeads = "attention_head_dim"
        case useLinearProjection = "use_linear_projection"
        case additionEmbedType = "addition_embed_type"
        case additionTimeEmbedDim = "addition_time_embed_dim"
        case projectionInputDim = "projection_class_embeddings_input_dim"
        case timeCondProjDim = "time_cond_proj_dim"
        case upcastAttention = "upcast_attention"
    }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        className = try keys.decode(.className, or: className)
        sampleSize = try keys.decodeSize(.sampleSize, or: sampleSize)
        inChannels = try keys.decode(.inChannels, or: inChannels)
        outChannels = try keys.decode(.outChannels, or: outChannels)
        flipSinToCos = try keys.decode(.flipSinToCos, or: flipSinToCos)
        freqShift = try keys.decode(.freqShift, or: freqShift)
        downBlockTypes = try keys.decode(.downBlockTypes, or: downBlockTypes)
        // Here null says something: no middle.
        if keys.contains(.midBlockType) { midBlockType = try keys.decode(String?.self, forKey: .midBlockType) }
        upBlockTypes = try keys.decode(.upBlockTypes, or: upBlockTypes)
        onlyCrossAttention = try keys.decode(.onlyCrossAttention, or: onlyCrossAttention)
        blockOutChannels = try keys.decode(.blockOutChannels, or: blockOutChannels)
        layersPerBlock = try keys.decode(.layersPerBlock, or: layersPerBlock)
        downsamplePadding = try keys.decode(.downsamplePadding, or: downsamplePadding)
        activation = try keys.decodeActivation(.activation, or: activation)
        normGroups = try keys.decode(.normGroups, or: normGroups)
        normEpsilon = try keys.decode(.normEpsilon, or: normEpsilon)
        crossAttentionDim = try keys.decode(.crossAttentionDim, or: crossAttentionDim)
        transformerLayersPerBlock = try keys.decode(.transformerLayersPerBlock, or: transformerLayersPerBlock)
        attentionHeads = try keys.decode(.attentionHeads, or: attentionHeads)
        useLinearProjection = try keys.decode(.useLinearProjection, or: useLinearProjection)
        additionEmbedType = try keys.decodeIfPresent(String.self, forKey: .additionEmbedType)
        additionTimeEmbedDim = try keys.decodeIfPresent(Int.self, forKey: .additionTimeEmbedDim)
        projectionInputDim = try keys.decodeIfPresent(Int.self, forKey: .projectionInputDim)
        timeCondProjDim = try keys.decodeIfPresent(Int.self, forKey: .timeCondProjDim)
        upcastAttention = try keys.decode(.upcastAttention, or: upcastAttention)
    }
}
