public import Layers
public import Weights

/// The shape of a GPT-2: the `config.json` of transformers, with its defaults.
public struct GPT2Configuration: LanguageModelConfiguration {
    public static let modelTypes = ["gpt2"]
    public static let inertValues: [String: [JSONValue]] = ["add_cross_attention": [false, nil]]

    public var vocabularySize = 50257
    public var maximumPositions = 1024
    public var hiddenSize = 768
    public var layers = 12
    public var heads = 12
    /// Four times `hiddenSize` when nil.
    public var intermediateSize: Int?
    public var activation = Activation.geluNew
    public var normEpsilon: Float = 1e-5
    public var scalesScores = true
    /// Whether layer i also divides its scores by i + 1.
    public var scalesScoresByLayer = false
    public var isTied = true
    public var initializerRange: Float = 0.02
    public var beginTokenID: Int? = 50256
    public var endTokenIDs: [Int] = [50256]
    public var modelType = "gpt2"

    public init() {}

    public func model(_ weights: ScopedWeights) throws -> any LanguageModel { try GPT2Model(self, weights: weights) }

    /// The width of the feed-forward parts; sizes are checked before it is used.
    public var inner: Int { intermediateSize ?? 4 &* hiddenSize }

    public func validate() throws {
        try checkSizes([
            ("vocab_size", vocabularySize), ("n_embd", hiddenSize), ("n_layer", layers), ("n_head", heads),
            ("n_positions", maximumPositions), ("n_inner", inner),
        ])
        try checkDivides(("n_head", heads), ("n_embd", hiddenSize))
        try checkEpsilon("layer_norm_epsilon", normEpsilon)
        try checkTokens()
    }

    enum CodingKeys: String, CodingKey {
        case vocabularySize = "vocab_size"
        case maximumPositions = "n_positions"
        case hiddenSize = "n_embd"
        case layers = "n_layer"
        case heads = "n_head"
        case intermediateSize = "n_inner"
        case activation = "activation_function"
        case normEpsilon = "layer_norm_epsilon"
        case scalesScores = "scale_attn_weights"
        case scalesScoresByLayer = "scale_attn_by_inverse_layer_idx"
        case isTied = "tie_word_embeddings"
        case initializerRange = "initializer_range"
        case beginTokenID = "bos_token_id"
        case endTokenIDs = "eos_token_id"
        case modelType = "model_type"
    }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        vocabularySize = try keys.decode(.vocabularySize, or: vocabularySize)
        maximumPositions = try keys.decode(.maximumPositions, or: maximumPositions)
        hiddenSize = try keys.decode(.hiddenSize, or: hiddenSize)
        layers = try keys.decode(.layers, or: layers)
        heads = try keys.decode(.heads, or: heads)
        intermediateSize = try keys.decodeIfPresent(Int.self, forKey: .intermediateSize)
        activation = try keys.decodeActivation(.activation, or: activation)
        normEpsilon = try keys.decode(.normEpsilon, or: normEpsilon)
        scalesScores = try keys.decode(.scalesScores, or: scalesScores)
        scalesScoresByLayer = try keys.decode(.scalesScoresByLayer, or: scalesScoresByLayer)
        isTied = try keys.decode(.isTied, or: isTied)
        initializerRange = try keys.decode(.initializerRange, or: initializerRange)
        beginTokenID = try keys.decodeIfPresent(Int.self, forKey: .beginTokenID)
        endTokenIDs = try keys.decodeIfPresent(TokenIDs.self, forKey: .endTokenIDs)?.ids ?? []
        modelType = try keys.decode(.modelType, or: modelType)
    }
}
