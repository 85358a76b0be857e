public import Layers
public import Weights

/// The shape of a GPT-NeoX, such as Pythia: the `config.json` of transformers, with its defaults.
public struct GPTNeoXConfiguration: LanguageModelConfiguration {
    public static let modelTypes = ["gpt_neox"]

    public var vocabularySize = 50432
    public var hiddenSize = 6144
    public var intermediateSize = 24576
    public var layers = 44
    public var heads = 64
    public var maximumPositions = 2048
    public var activation = Activation.gelu
    public var normEpsilon: Float = 1e-5
    public var rotary = RotaryParameters()
    /// Whether attention and feed-forward part read the same input.
    public var isParallel = true
    public var hasAttentionBias = true
    public var isTied = false
    public var initializerRange: Float = 0.02
    public var beginTokenID: Int? = 0
    public var endTokenIDs: [Int] = [2]
    public var modelType = "gpt_neox"

    public init() { rotary.partialFactor = 0.25 }

    public func model(_ weights: ScopedWeights) throws -> any LanguageModel {
        try GPTNeoXModel(self, weights: weights)
    }

    public func validate() throws {
        try checkSizes([
            ("vocab_size", vocabularySize), ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize),
            ("num_hidden_layers", layers), ("num_attention_heads", heads),
            ("max_position_embeddings", maximumPositions),
        ])
        try checkDivides(("num_attention_heads", heads), ("hidden_size", hiddenSize))
        try rotary.validate(headDimension: hiddenSize / heads)
        try checkEpsilon("layer_norm_eps", normEpsilon)
        try checkTokens()
    }

    enum CodingKeys: String, CodingKey {
        case vocabularySize = "vocab_size"
        case hiddenSize = "hidden_size"
        case intermediateSize = "intermediate_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case maximumPositions = "max_position_embeddings"
        case activation = "hidden_act"
        case normEpsilon = "layer_norm_eps"
        case rotary = "rope_parameters"
        case isParallel = "use_parallel_residual"
        case hasAttentionBias = "attention_bias"
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
        maximumPositions = try keys.decode(.maximumPositions, or: maximumPositions)
        activation = try keys.decodeActivation(.activation, or: activation)
        normEpsilon = try keys.decode(.normEpsilon, or: normEpsilon)
        rotary = try RotaryParameters.decode(from: decoder, theta: 10_000, partialFactor: 0.25)
        isParallel = try keys.decode(.isParallel, or: isParallel)
        hasAttentionBias = try keys.decode(.hasAttentionBias, or: hasAttentionBias)
        isTied = try keys.decode(.isTied, or: isTied)
        initializerRange = try keys.decode(.initializerRange, or: initializerRange)
        beginTokenID = try keys.decodeIfPresent(Int.self, forKey: .beginTokenID)
        endTokenIDs = try keys.decodeIfPresent(TokenIDs.self, forKey: .endTokenIDs)?.ids ?? []
        modelType = try keys.decode(.modelType, or: modelType)
    }
}
