public import Layers

/// The shape of a CLIP text encoder: the `config.json` of transformers, with its defaults.
public struct CLIPTextConfiguration: ModelConfiguration {
    public var vocabularySize = 49408
    public var hiddenSize = 512
    public var intermediateSize = 2048
    public var projectionSize = 512
    public var layers = 12
    public var heads = 8
    public var maximumTokens = 77
    public var activation = Activation.quickGELU
    public var layerNormEpsilon: Float = 1e-5
    public var initializerRange: Float = 0.02
    public var initializerFactor: Float = 1
    public var padTokenID: Int? = 1
    public var beginTokenID: Int? = 49406
    public var endTokenID = 49407
    /// The class that wrote the folder; `CLIPTextModelWithProjection` has a `text_projection`.
    public var architectures = ["CLIPTextModel"]
    public var modelType = "clip_text_model"

    public init() {}

    public var hasProjection: Bool { architectures.contains("CLIPTextModelWithProjection") }

    public func validate() throws {
        for (key, value) in [
            ("vocab_size", vocabularySize), ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize),
            ("num_hidden_layers", layers), ("num_attention_heads", heads),
            ("max_position_embeddings", maximumTokens), ("projection_dim", projectionSize),
        ] {
            let most = key == "vocab_size" ? 1 << 24 : key == "num_hidden_layers" ? 256 : 65_536
            guard (1...most).contains(value) else {
                throw ConfigurationError(key: key, expected: "1 to \(most)", found: "\(value)")
            }
        }
        guard hiddenSize % heads == 0 else {
            throw ConfigurationError(
                key: "num_attention_heads", expected: "a divisor of hidden_size \(hiddenSize)", found: "\(heads)")
        }
    }

    enum CodingKeys: String, CodingKey {
        case vocabularySize = "vocab_size"
        case hiddenSize = "hidden_size"
        case intermediateSize = "intermediate_size"
        case projectionSize = "projection_dim"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case maximumTokens = "max_position_embeddings"
        case activation = "hidden_act"
        case layerNormEpsilon = "layer_norm_eps"
        case initializerRange = "initializer_range"
        case initializerFactor = "initializer_factor"
        case padTokenID = "pad_token_id"
        case beginTokenID = "bos_token_id"
        case endTokenID = "eos_token_id"
        case architectures
        case modelType = "model_type"
    }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        vocabularySize = try keys.decode(.vocabularySize, or: vocabularySize)
        hiddenSize = try keys.decode(.hiddenSize, or: hiddenSize)
        intermediateSize = try keys.decode(.intermediateSize, or: intermediateSize)
        projectionSize = try keys.decode(.projectionSize, or: projectionSize)
        layers = try keys.decode(.layers, or: layers)
        heads = try keys.decode(.heads, or: heads)
        maximumTokens = try keys.decode(.maximumTokens, or: maximumTokens)
        activation = try keys.decodeActivation(.activation, or: activation)
        layerNormEpsilon = try keys.decode(.layerNormEpsilon, or: layerNormEpsilon)
        initializerRange = try keys.decode(.initializerRange, or: initializerRange)
        initializerFactor = try keys.decode(.initializerFactor, or: initializerFactor)
        padTokenID = try keys.decodeIfPresent(Int.self, forKey: .padTokenID)
        beginTokenID = try keys.decodeIfPresent(Int.self, forKey: .beginTokenID)
        endTokenID = try keys.decode(.endTokenID, or: endTokenID)
        architectures = try keys.decode(.architectures, or: architectures)
        modelType = try keys.decode(.modelType, or: modelType)
    }
}
