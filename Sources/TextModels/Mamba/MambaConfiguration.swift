public import Layers
public import Weights

/// The shape of a Mamba (the first): the `config.json` of transformers, with its defaults.
public struct MambaConfiguration: LanguageModelConfiguration {
    public static let modelTypes = ["mamba"]

    public var vocabularySize = 50280
    public var hiddenSize = 768
    public var layers = 32
    /// States of each channel.
    public var states = 16
    public var expand = 2
    public var kernel = 4
    /// The rank of the map to time steps; a sixteenth of `hiddenSize`, rounded up, when nil.
    public var timeStepRank: Int?
    public var activation = Activation.silu
    public var normEpsilon: Float = 1e-5
    /// Whether the projections in and out have a bias.
    public var hasBias = false
    public var hasConvolutionBias = true
    public var isTied = true
    public var initializerRange: Float = 0.1
    public var beginTokenID: Int? = 0
    public var endTokenIDs: [Int] = [0]
    public var modelType = "mamba"

    public init() {}

    public func model(_ weights: ScopedWeights) throws -> any LanguageModel { try MambaModel(self, weights: weights) }

    /// Channels of the recurrence.
    public var inner: Int { expand &* hiddenSize }
    public var rank: Int { timeStepRank ?? hiddenSize / 16 + (hiddenSize % 16 == 0 ? 0 : 1) }

    public func validate() throws {
        try checkSizes([
            ("vocab_size", vocabularySize), ("hidden_size", hiddenSize), ("num_hidden_layers", layers),
            ("expand", expand), ("conv_kernel", kernel), ("time_step_rank", rank),
        ])
        guard inner <= 1 << 18 else {
            throw ConfigurationError(key: "expand", expected: "an inner size up to \(1 << 18)", found: "\(inner)")
        }
        guard (1...256).contains(states) else {
            throw ConfigurationError(key: "state_size", expected: "1 to 256", found: "\(states)")
        }
        try checkEpsilon("layer_norm_epsilon", normEpsilon)
        try checkTokens()
    }

    enum CodingKeys: String, CodingKey {
        case vocabularySize = "vocab_size"
        case hiddenSize = "hidden_size"
        case layers = "num_hidden_layers"
        case states = "state_size"
        case expand
        case kernel = "conv_kernel"
        case timeStepRank = "time_step_rank"
        case activation = "hidden_act"
        case normEpsilon = "layer_norm_epsilon"
        case hasBias = "use_bias"
        case hasConvolutionBias = "use_conv_bias"
        case isTied = "tie_word_embeddings"
        case initializerRange = "initializer_range"
        case beginTokenID = "bos_token_id"
        case endTokenIDs = "eos_token_id"
        case modelType = "model_type"
    }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        vocabularySize = try keys.decode(.vocabularySize, or: vocabularySize)
        hiddenSize = try keys.decode(.hiddenSize, or: hiddenSize)
        layers = try keys.decode(.layers, or: layers)
        states = try keys.decode(.states, or: states)
        expand = try keys.decode(.expand, or: expand)
        kernel = try keys.decode(.kernel, or: kernel)
        // "auto", or a number.
        if let rank = try? keys.decodeIfPresent(Int.self, forKey: .timeStepRank) { timeStepRank = rank }
        activation = try keys.decodeActivation(.activation, or: activation)
        normEpsilon = try keys.decode(.normEpsilon, or: normEpsilon)
        hasBias = try keys.decode(.hasBias, or: hasBias)
        hasConvolutionBias = try keys.decode(.hasConvolutionBias, or: hasConvolutionBias)
        isTied = try keys.decode(.isTied, or: isTied)
        initializerRange = try keys.decode(.initializerRange, or: initializerRange)
        beginTokenID = try keys.decodeIfPresent(Int.self, forKey: .beginTokenID)
        endTokenIDs = try keys.decodeIfPresent(TokenIDs.self, forKey: .endTokenIDs)?.ids ?? []
        modelType = try keys.decode(.modelType, or: modelType)
    }
}
