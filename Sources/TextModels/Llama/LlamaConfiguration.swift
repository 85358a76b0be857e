public import Layers
public import Weights

/// The shape of a Llama: the `config.json` of transformers, with its defaults.
public struct LlamaConfiguration: LanguageModelConfiguration {
    public static let modelTypes = ["llama"]

    public var vocabularySize = 32000
    public var hiddenSize = 4096
    public var intermediateSize = 11008
    public var layers = 32
    public var heads = 32
    public var keyHeads = 32
    public var headDimension = 128
    public var maximumPositions = 2048
    public var activation = Activation.silu
    public var normEpsilon: Float = 1e-6
    public var rotary = RotaryParameters()
    public var hasAttentionBias = false
    public var hasFeedForwardBias = false
    /// Whether the table of tokens is also the output's matrix.
    public var isTied = false
    public var initializerRange: Float = 0.02
    public var beginTokenID: Int? = 1
    public var endTokenIDs: [Int] = [2]
    public var modelType = "llama"

    public init() {}

    public func model(_ weights: ScopedWeights) throws -> any LanguageModel { try LlamaModel(self, weights: weights) }

    public func validate() throws {
        try checkSizes([
            ("vocab_size", vocabularySize), ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize),
            ("num_hidden_layers", layers), ("num_attention_heads", heads), ("num_key_value_heads", keyHeads),
            ("head_dim", headDimension), ("max_position_embeddings", maximumPositions),
        ])
        try checkDivides(("num_key_value_heads", keyHeads), ("num_attention_heads", heads))
        try rotary.validate(headDimension: headDimension)
        try checkEpsilon("rms_norm_eps", normEpsilon)
        try checkTokens()
    }

    enum CodingKeys: String, CodingKey {
        case vocabularySize = "vocab_size"
        case hiddenSize = "hidden_size"
        case intermediateSize = "intermediate_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case keyHeads = "num_key_value_heads"
        case headDimension = "head_dim"
        case maximumPositions = "max_position_embeddings"
        case activation = "hidden_act"
        case normEpsilon = "rms_norm_eps"
        case rotary = "rope_parameters"
        case hasAttentionBias = "attention_bias"
        case hasFeedForwardBias = "mlp_bias"
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
        intermediateSize = try keys.decode(.intermediateSize, or: intermediateSize)
        layers = try keys.decode(.layers, or: layers)
        heads = try keys.decode(.heads, or: heads)
        keyHeads = try keys.decode(.keyHeads, or: heads)
        headDimension = try keys.decode(.headDimension, or: hiddenSize / max(heads, 1))
        maximumPositions = try keys.decode(.maximumPositions, or: maximumPositions)
        activation = try keys.decodeActivation(.activation, or: activation)
        normEpsilon = try keys.decode(.normEpsilon, or: normEpsilon)
        rotary = try RotaryParameters.decode(from: decoder, theta: 10_000).ofWholeHeads()
        hasAttentionBias = try keys.decode(.hasAttentionBias, or: hasAttentionBias)
        hasFeedForwardBias = try keys.decode(.hasFeedForwardBias, or: hasFeedForwardBias)
        isTied = try keys.decode(.isTied, or: isTied)
        initializerRange = try keys.decode(.initializerRange, or: initializerRange)
        beginTokenID = try keys.decodeIfPresent(Int.self, forKey: .beginTokenID)
        endTokenIDs = try keys.decodeIfPresent(TokenIDs.self, forKey: .endTokenIDs)?.ids ?? []
        modelType = try keys.decode(.modelType, or: modelType)
    }
}
