public import Layers
public import TensorCore
public import Weights

/// Gemma 2 and 3: norms before and after each part, windows in most layers, capped scores and logits (2) or norms of
/// queries and keys (3).
///
/// Follows transformers `modeling_gemma2.py` and `modeling_gemma3.py`, Gemma3ForCausalLM.
public struct GemmaModel: LanguageModel {
    public let configuration: GemmaConfiguration
    private var embedding: Embedding
    private var layers: [GemmaLayer]
    private var norm: RMSNorm
    private var head: Linear
    private let frequencies: [RotaryFrequencies]
    private let capSite: Int
    private let site: Int

    public init(_ configuration: GemmaConfiguration, weights: ScopedWeights) throws {
        try configuration.validate()
        self.configuration = configuration
        let (width, initial) = (
            configuration.hiddenSize, Initialization.normal(standardDeviation: configuration.initializerRange)
        )
        let model = weights.scope("model")
        embedding = try Embedding(
            configuration.vocabularySize, width, initial: initial, model.scope("embed_tokens"))
        layers = try configuration.layerTypes.enumerated().map { index, type in
            try GemmaLayer(configuration, type, model.scope("layers", index))
        }
        norm = try RMSNorm(width, epsilon: configuration.normEpsilon, offset: 1, model.scope("norm"))
        head = try Linear(
            reading: embedding, isTied: configuration.isTied, initial: initial, weights.scope("lm_head"))
        frequencies = [configuration.rotary, configuration.slidingRotary].map {
            $0.frequencies(
                headDimension: configuration.headDimension, maximumTokens: configuration.maximumPositions)
        }
        capSite = weights.scope("lm_head.softcap").site
        site = model.site
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumTokens: Int? {
        // Configurations of Gemma 3 state the stretched length beside the factor of the linear scaling.
        guard configuration.rotary.kind != .linear else { return configuration.maximumPositions }
        return configuration.rotary.maximumTokens(positions: configuration.maximumPositions)
    }

    /// The table's vectors times the square root of their width.
    private func embedded(_ ids: Tensor, _ pass: Pass) -> Tensor {
        let vectors = TensorCore.embedding(ids, embedding.weight).converted(to: .float32)
        return pass.visit(
            embedding.site, .output, vectors * Double(Float(configuration.hiddenSize).squareRoot()))
    }

    public func callAsFunction(
        _ tokens: TokenBatch, after state: DecodingState?, logits: LogitSelection, _ pass: Pass
    ) -> LanguageModelOutput {
        let context = DecoderContext(tokens, after: state, windows: [nil, configuration.window], rotary: frequencies)
        var (h, next) = layers.run(embedded(tokens.ids, pass), context, after: state, pass)
        if pass.isFinished { return .unfinished(h) }
        h = pass.visit(site, .output, norm(h, pass))
        if pass.isFinished { return .unfinished(h) }
        return LanguageModelOutput(logits: scores(h.selecting(logits), pass), hiddenState: h, state: next)
    }

    public func unembedded(_ residual: Tensor, _ pass: Pass) -> Tensor { scores(norm(residual, pass), pass) }

    /// The head's logits, capped where the model caps them.
    private func scores(_ h: Tensor, _ pass: Pass) -> Tensor {
        let scores = pass.visit(capSite, .input, head(h, pass))
        return pass.visit(capSite, .output, configuration.logitCap.map { softCap(scores, $0) } ?? scores)
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        embedding.mapParameters(transform)
        layers.mapParameters(transform)
        norm.mapParameters(transform)
        head.mapHead(tiedTo: configuration.isTied ? embedding : nil, transform)
    }
}

/// One layer:
///
///     h = x + post_attention_layernorm(self_attn(input_layernorm(x)))
///     y = h + post_feedforward_layernorm(mlp(pre_feedforward_layernorm(h)))
struct GemmaLayer: DecoderLayer {
    private var norm1: RMSNorm
    private var attention: GemmaAttention
    private var norm2: RMSNorm
    private var norm3: RMSNorm
    private var feedForward: GatedFeedForward
    private var norm4: RMSNorm
    private let site: Int

    init(_ configuration: GemmaConfiguration, _ type: GemmaConfiguration.LayerType, _ weights: ScopedWeights) throws {
        func norm(_ name: String) throws -> RMSNorm {
            try RMSNorm(
                configuration.hiddenSize, epsilon: configuration.normEpsilon, offset: 1, weights.scope(name))
        }
        norm1 = try norm("input_layernorm")
        attention = try GemmaAttention(configuration, type, weights.scope("self_attn"))
        norm2 = try norm("post_attention_layernorm")
        norm3 = try norm("pre_feedforward_layernorm")
        feedForward = try GatedFeedForward(
            configuration.hiddenSize, inner: configuration.intermediateSize, activation: configuration.activation,
            hasBias: false, initial: .normal(standardDeviation: configuration.initializerRange), weights.scope("mlp"))
        norm4 = try norm("post_feedforward_layernorm")
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let h = pass.visit(site, .middle, x + norm2(attention(norm1(x, pass), context, &state, pass), pass))
        return pass.visit(site, .output, h + norm4(feedForward(norm3(h, pass), pass), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm1.mapParameters(transform)
        attention.mapParameters(transform)
        norm2.mapParameters(transform)
        norm3.mapParameters(transform)
        feedForward.mapParameters(transform)
        norm4.mapParameters(transform)
    }
}

/// Attention over all tokens or a window of them.
struct GemmaAttention: Layer {
    private var queries: Linear
    private var keys: Linear
    private var values: Linear
    private var output: Linear
    private var queryNorm: RMSNorm?
    private var keyNorm: RMSNorm?
    private let headDimension: Int
    private let reading: GroupedAttention
    /// Which of the context's rotations turns this layer.
    private let rotation: Int
    private let site: Int

    init(_ configuration: GemmaConfiguration, _ type: GemmaConfiguration.LayerType, _ weights: ScopedWeights) throws {
        let (width, dimension) = (configuration.hiddenSize, configuration.headDimension)
        func projection(_ inputs: Int, _ outputs: Int, _ name: String) throws -> Linear {
            try Linear(
                inputs, outputs, hasBias: configuration.hasAttentionBias,
                initialWeight: .normal(standardDeviation: configuration.initializerRange), initialBias: .zeros,
                weights.scope(name))
        }
        queries = try projection(width, configuration.heads * dimension, "q_proj")
        keys = try projection(width, configuration.keyHeads * dimension, "k_proj")
        values = try projection(width, configuration.keyHeads * dimension, "v_proj")
        output = try projection(configuration.heads * dimension, width, "o_proj")
        if configuration.hasQueryNorms {
            let epsilon = configuration.normEpsilon
            queryNorm = try RMSNorm(dimension, epsilon: epsilon, offset: 1, weights.scope("q_norm"))
            keyNorm = try RMSNorm(dimension, epsilon: epsilon, offset: 1, weights.scope("k_norm"))
        }
        headDimension = dimension
        reading = GroupedAttention(
            scale: 1 / configuration.queryScalar.squareRoot(),
            // transformers reads Gemma 3's cap of scores and does not apply it.
            softCap: configuration.modelType == "gemma2" ? configuration.scoreCap : nil,
            window: type == .sliding ? configuration.window : nil, site: weights.site)
        rotation = type == .sliding ? 1 : 0
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let turn = context.rotations[rotation]
        let read = Linear.outputs(of: [queries, keys, values], x, pass).map { $0.byHead(headDimension) }
        let q = rotary(queryNorm?(read[0], pass) ?? read[0], cosines: turn.cosines, sines: turn.sines)
        let k = rotary(keyNorm?(read[1], pass) ?? read[1], cosines: turn.cosines, sines: turn.sines)
        let answer = reading(q, k, read[2], context, &state, pass)
        return pass.visit(site, .output, output(answer.flattened(2...3), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        queries.mapParameters(transform)
        keys.mapParameters(transform)
        values.mapParameters(transform)
        output.mapParameters(transform)
        queryNorm.mapParameters(transform)
        keyNorm.mapParameters(transform)
    }
}
