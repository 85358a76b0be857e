public import Layers
public import Weights

/// The shape of a Gemma 2 or 3: the `config.json` of transformers, with its defaults.
public struct GemmaConfiguration: LanguageModelConfiguration {
    public static let modelTypes = ["gemma2", "gemma3_text"]

    public enum LayerType: String, Codable, Sendable, Equatable {
        case sliding = "sliding_attention"
        case full = "full_attention"
    }

    public var modelType = "gemma2"
    public var vocabularySize = 256_000
    public var hiddenSize = 2304
    public var intermediateSize = 9216
    public var layers = 26
    public var heads = 8
    public var keyHeads = 4
    public var headDimension = 256
    public var maximumPositions = 8192
    public var activation = Activation.geluTanh
    public var normEpsilon: Float = 1e-6
    /// Of layers that see every token, and of those with a window.
    public var rotary = RotaryParameters()
    public var slidingRotary = RotaryParameters()
    public var window = 4096
    public var layerTypes: [LayerType] = []
    /// Scores are divided by its square root.
    public var queryScalar: Float = 256
    public var scoreCap: Float?
    public var logitCap: Float?
    public var hasAttentionBias = false
    public var isTied = true
    public var initializerRange: Float = 0.02
    public var beginTokenID: Int? = 2
    public var endTokenIDs: [Int] = [1]

    public init() {}

    public static let inertValues: [String: [JSONValue]] = ["use_bidirectional_attention": [false, nil]]

    /// Whether queries and keys have norms of their own, as in Gemma 3.
    public var hasQueryNorms: Bool { modelType != "gemma2" }

    public func model(_ weights: ScopedWeights) throws -> any LanguageModel { try GemmaModel(self, weights: weights) }

    public func validate() throws {
        try checkSizes([
            ("vocab_size", vocabularySize), ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize),
            ("num_hidden_layers", layers), ("num_attention_heads", heads), ("num_key_value_heads", keyHeads),
            ("head_dim", headDimension), ("max_position_embeddings", maximumPositions), ("sliding_window", window),
        ])
        try checkDivides(("num_key_value_heads", keyHeads), ("num_attention_heads", heads))
        try rotary.validate(headDimension: headDimension)
        try slidingRotary.validate(headDimension: headDimension)
        try checkEpsilon("rms_norm_eps", normEpsilon)
        try checkTokens()
        guard layerTypes.count == layers else {
            throw ConfigurationError(
                key: "layer_types", expected: "one for each of \(layers) layers", found: "\(layerTypes.count)")
        }
        for (key, value) in [
            ("query_pre_attn_scalar", queryScalar), ("attn_logit_softcapping", scoreCap ?? 1),
            ("final_logit_softcapping", logitCap ?? 1),
        ] where !(value > 0) {
            throw ConfigurationError(key: key, expected: "a positive number", found: "\(value)")
        }
    }

    enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case vocabularySize = "vocab_size"
        case hiddenSize = "hidden_size"
        case intermediateSize = "intermediate_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case keyHeads = "num_key_value_heads"
        case headDimension = "head_dim"
        case maximumPositions = "max_position_embeddings"
        case activation = "hidden_activation"
        case normEpsilon = "rms_norm_eps"
        case rotary = "rope_parameters"
        case window = "sliding_window"
        case layerTypes = "layer_types"
        case queryScalar = "query_pre_attn_scalar"
        case scoreCap = "attn_logit_softcapping"
        case logitCap = "final_logit_softcapping"
        case hasAttentionBias = "attention_bias"
        case isTied = "tie_word_embeddings"
        case initializerRange = "initializer_range"
        case beginTokenID = "bos_token_id"
        case endTokenIDs = "eos_token_id"
    }

    private enum OldKeys: String, CodingKey {
        case pattern = "sliding_window_pattern"
        case localTheta = "rope_local_base_freq"
    }

    /// Gemma 3's parameters by the type of layer.
    private struct RotaryByLayer: Codable {
        var full: RotaryParameters?
        var sliding: RotaryParameters?
        enum CodingKeys: String, CodingKey {
            case full = "full_attention"
            case sliding = "sliding_attention"
        }
    }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        let old = try decoder.container(keyedBy: OldKeys.self)
        modelType = try keys.decode(.modelType, or: modelType)
        if modelType == "gemma2" {
            (scoreCap, logitCap) = (50, 30)
        } else {
            (vocabularySize, maximumPositions) = (262_208, 131_072)
        }
        vocabularySize = try keys.decode(.vocabularySize, or: vocabularySize)
        hiddenSize = try keys.decode(.hiddenSize, or: hiddenSize)
        intermediateSize = try keys.decode(.intermediateSize, or: intermediateSize)
        layers = try keys.decode(.layers, or: layers)
        heads = try keys.decode(.heads, or: heads)
        keyHeads = try keys.decode(.keyHeads, or: keyHeads)
        headDimension = try keys.decode(.headDimension, or: headDimension)
        maximumPositions = try keys.decode(.maximumPositions, or: maximumPositions)
        activation = try keys.decodeActivation(.activation, or: activation)
        normEpsilon = try keys.decode(.normEpsilon, or: normEpsilon)
        window = try keys.decode(.window, or: window)
        let pattern = try old.decodeIfPresent(Int.self, forKey: .pattern) ?? (modelType == "gemma2" ? 2 : 6)
        guard pattern > 0, (0...512).contains(layers) else {
            throw ConfigurationError(key: "sliding_window_pattern", expected: "a positive number", found: "\(pattern)")
        }
        layerTypes =
            try keys.decodeIfPresent([LayerType].self, forKey: .layerTypes)
            ?? (0..<layers).map { ($0 + 1) % pattern == 0 ? .full : .sliding }
        queryScalar = try keys.decode(.queryScalar, or: queryScalar)
        if keys.contains(.scoreCap) { scoreCap = try keys.decodeIfPresent(Float.self, forKey: .scoreCap) }
        if keys.contains(.logitCap) { logitCap = try keys.decodeIfPresent(Float.self, forKey: .logitCap) }
        hasAttentionBias = try keys.decode(.hasAttentionBias, or: hasAttentionBias)
        isTied = try keys.decode(.isTied, or: isTied)
        initializerRange = try keys.decode(.initializerRange, or: initializerRange)
        beginTokenID = try keys.decodeIfPresent(Int.self, forKey: .beginTokenID)
        endTokenIDs = try keys.decodeIfPresent(TokenIDs.self, forKey: .endTokenIDs)?.ids ?? []
        let byLayer = modelType == "gemma2" ? nil : try keys.decodeIfPresent(RotaryByLayer.self, forKey: .rotary)
        if byLayer?.full != nil || byLayer?.sliding != nil {
            rotary = try (byLayer?.full ?? RotaryParameters(theta: 1_000_000)).ofWholeHeads()
            slidingRotary = try (byLayer?.sliding ?? RotaryParameters(theta: 10_000)).ofWholeHeads()
        } else {
            rotary = try RotaryParameters.decode(
                from: decoder, theta: modelType == "gemma2" ? 10_000 : 1_000_000
            ).ofWholeHeads()
            slidingRotary = rotary
            if modelType != "gemma2" {
                let theta = try old.decodeIfPresent(Double.self, forKey: .localTheta)
                slidingRotary = RotaryParameters(theta: theta ?? 10_000)
            }
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var keys = encoder.container(keyedBy: CodingKeys.self)
        try keys.encode(modelType, forKey: .modelType)
        try keys.encode(vocabularySize, forKey: .vocabularySize)
        try keys.encode(hiddenSize, forKey: .hiddenSize)
        try keys.encode(intermediateSize, forKey: .intermediateSize)
        try keys.encode(layers, forKey: .layers)
        try keys.encode(heads, forKey: .heads)
        try keys.encode(keyHeads, forKey: .keyHeads)
        try keys.encode(headDimension, forKey: .headDimension)
        try keys.encode(maximumPositions, forKey: .maximumPositions)
        try keys.encode(activation, forKey: .activation)
        try keys.encode(normEpsilon, forKey: .normEpsilon)
        try keys.encode(window, forKey: .window)
        try keys.encode(layerTypes, forKey: .layerTypes)
        try keys.encode(queryScalar, forKey: .queryScalar)
        try keys.encode(scoreCap, forKey: .scoreCap)
        try keys.encode(logitCap, forKey: .logitCap)
        try keys.encode(hasAttentionBias, forKey: .hasAttentionBias)
        try keys.encode(isTied, forKey: .isTied)
        try keys.encode(initializerRange, forKey: .initializerRange)
        try keys.encodeIfPresent(beginTokenID, forKey: .beginTokenID)
        try keys.encode(endTokenIDs, forKey: .endTokenIDs)
        if modelType == "gemma2" {
            try keys.encode(rotary, forKey: .rotary)
        } else {
            try keys.encode(RotaryByLayer(full: rotary, sliding: slidingRotary), forKey: .rotary)
        }
    }
}
