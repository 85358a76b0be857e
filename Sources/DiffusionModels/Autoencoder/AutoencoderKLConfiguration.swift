public import Layers

/// The shape of a variational autoencoder: the `config.json` of diffusers, with its defaults.
public struct AutoencoderKLConfiguration: ModelConfiguration {
    public var className = "AutoencoderKL"
    public var inChannels = 3
    public var outChannels = 3
    public var downBlockTypes = ["DownEncoderBlock2D"]
    public var upBlockTypes = ["UpDecoderBlock2D"]
    public var blockOutChannels = [64]
    public var layersPerBlock = 1
    public var activation = Activation.silu
    public var latentChannels = 4
    public var normGroups = 32
    /// Height and width of the pictures that the model was trained on.
    public var sampleSize = 32
    /// Multiplies latents on their way to the diffusion model.
    public var scalingFactor: Float = 0.18215
    /// Subtracted from latents before they are scaled.
    public var shiftFactor: Float?
    /// Whether 16-bit weights overflow in 16-bit arithmetic (SDXL's do).
    public var forceUpcast = true
    public var useQuantConv = true
    public var usePostQuantConv = true
    public var midBlockAddAttention = true

    public init() {}

    public static let inertValues: [String: [JSONValue]] = ["latents_mean": [nil], "latents_std": [nil]]

    /// Picture pixels a latent pixel, in each direction.
    public var downsamplingFactor: Int { 1 << (blockOutChannels.count - 1) }

    public func validate() throws {
        let count = downBlockTypes.count
        func check(_ isRight: Bool, _ key: String, _ expected: String, _ found: Any) throws {
            guard isRight else { throw ConfigurationError(key: key, expected: expected, found: "\(found)") }
        }
        try check((1...16).contains(count), "down_block_types", "1 to 16 blocks", "\(count)")
        for type in downBlockTypes {
            try check(type == "DownEncoderBlock2D", "down_block_types", "DownEncoderBlock2D", type)
        }
        for type in upBlockTypes { try check(type == "UpDecoderBlock2D", "up_block_types", "UpDecoderBlock2D", type) }
        try check(upBlockTypes.count == count, "up_block_types", "\(count) blocks, as on the way down", upBlockTypes)
        try check(blockOutChannels.count == count, "block_out_channels", "\(count) values", blockOutChannels)
        for (key, value) in [
            ("in_channels", inChannels), ("out_channels", outChannels), ("latent_channels", latentChannels),
            ("norm_num_groups", normGroups), ("layers_per_block", layersPerBlock),
        ] {
            let most = key == "layers_per_block" ? 64 : 65_536
            try check((1...most).contains(value), key, "1 to \(most)", value)
        }
        for channels in blockOutChannels {
            try check(
                (1...65_536).contains(channels) && channels % normGroups == 0, "block_out_channels",
                "multiples of norm_num_groups \(normGroups)", blockOutChannels)
        }
        try check(
            scalingFactor > 0 && scalingFactor.isFinite, "scaling_factor", "a number above 0", scalingFactor)
    }

    enum CodingKeys: String, CodingKey {
        case className = "_class_name"
        case inChannels = "in_channels"
        case outChannels = "out_channels"
        case downBlockTypes = "down_block_types"
        case upBlockTypes = "up_block_types"
        case blockOutChannels = "block_out_channels"
        case layersPerBlock = "layers_per_block"
        case activation = "act_fn"
        case latentChannels = "latent_channels"
        case normGroups = "norm_num_groups"
        case sampleSize = "sample_size"
        case scalingFactor = "scaling_factor"
        case shiftFactor = "shift_factor"
        case forceUpcast = "force_upcast"
        case useQuantConv = "use_quant_conv"
        case usePostQuantConv = "use_post_quant_conv"
        case midBlockAddAttention = "mid_block_add_attention"
    }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        className = try keys.decode(.className, or: className)
        inChannels = try keys.decode(.inChannels, or: inChannels)
        outChannels = try keys.decode(.outChannels, or: outChannels)
        downBlockTypes = try keys.decode(.downBlockTypes, or: downBlockTypes)
        upBlockTypes = try keys.decode(.upBlockTypes, or: upBlockTypes)
        blockOutChannels = try keys.decode(.blockOutChannels, or: blockOutChannels)
        layersPerBlock = try keys.decode(.layersPerBlock, or: layersPerBlock)
        activation = try keys.decodeActivation(.activation, or: activation)
        latentChannels = try keys.decode(.latentChannels, or: latentChannels)
        normGroups = try keys.decode(.normGroups, or: normGroups)
        sampleSize = try keys.decodeSize(.sampleSize, or: sampleSize)
        scalingFactor = try keys.decode(.scalingFactor, or: scalingFactor)
        shiftFactor = try keys.decodeIfPresent(Float.self, forKey: .shiftFactor)
        forceUpcast = try keys.decode(.forceUpcast, or: forceUpcast)
        useQuantConv = try keys.decode(.useQuantConv, or: useQuantConv)
        usePostQuantConv = try keys.decode(.usePostQuantConv, or: usePostQuantConv)
        midBlockAddAttention = try keys.decode(.midBlockAddAttention, or: midBlockAddAttention)
    }
}
