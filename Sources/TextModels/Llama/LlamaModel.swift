public import Layers
public import TensorCore
public import Weights

/// Llama: RMS norms, rotary positions, grouped keys, gated feed-forward parts.
///
/// Follows transformers `modeling_llama.py`, LlamaForCausalLM.
public struct LlamaModel: LanguageModel {
    public let configuration: LlamaConfiguration
    private var embedding: Embedding
    private var layers: [LlamaLayer]
    private var norm: RMSNorm
    private var head: Linear
    private let frequencies: RotaryFrequencies
    private var prepared = PreparedDecoder()
    private let site: Int

    public init(_ configuration: LlamaConfiguration, weights: ScopedWeights) throws {
        try configuration.validate()
        self.configuration = configuration
        let (width, initial) = (
            configuration.hiddenSize, Initialization.normal(standardDeviation: configuration.initializerRange)
        )
        let model = weights.scope("model")
        embedding = try Embedding(
            configuration.vocabularySize, width, initial: initial, model.scope("embed_tokens"))
        layers = try (0..<configuration.layers).map { try LlamaLayer(configuration, model.scope("layers", $0)) }
        norm = try RMSNorm(width, epsilon: configuration.normEpsilon, model.scope("norm"))
        head = try Linear(
            reading: embedding, isTied: configuration.isTied, initial: initial, weights.scope("lm_head"))
        frequencies = configuration.rotary.frequencies(
            headDimension: configuration.headDimension, maximumTokens: configuration.maximumPositions)
        site = model.site
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumTokens: Int? { configuration.rotary.maximumTokens(positions: configuration.maximumPositions) }

    public func callAsFunction(
        _ tokens: TokenBatch, after state: DecodingState?, logits: LogitSelection, _ pass: Pass
    ) -> LanguageModelOutput {
        let context = DecoderContext(tokens, after: state, windows: [nil], rotary: [frequencies])
        let embedded = embedding(tokens.ids, pass)
        var (h, next) =
            prepared.token(embedded, context, after: state, pass) { gatedDecoder }
            ?? layers.run(embedded, context, after: state, pass)
        if pass.isFinished { return .unfinished(h) }
        h = pass.visit(site, .output, norm(h, pass))
        if pass.isFinished { return .unfinished(h) }
        return LanguageModelOutput(logits: head(h.selecting(logits), pass), hiddenState: h, state: next)
    }

    private var gatedDecoder: GatedDecoder? {
        let gated = layers.compactMap(\.gated)
        guard gated.count == layers.count else { return nil }
        return GatedDecoder(
            gated, headDimension: configuration.headDimension, epsilon: configuration.normEpsilon,
            scale: LlamaAttention.scale(configuration))
    }

    public func unembedded(_ residual: Tensor, _ pass: Pass) -> Tensor { head(norm(residual, pass), pass) }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        embedding.mapParameters(transform)
        layers.mapParameters(transform)
        norm.mapParameters(transform)
        head.mapHead(tiedTo: configuration.isTied ? embedding : nil, transform)
        prepared = PreparedDecoder()
    }
}

/// One layer:
///
///     h = x + self_attn(input_layernorm(x))
///     y = h + mlp(post_attention_layernorm(h))
struct LlamaLayer: DecoderLayer {
    private var norm1: RMSNorm
    private var attention: LlamaAttention
    private var norm2: RMSNorm
    private var feedForward: GatedFeedForward
    private let site: Int

    init(_ configuration: LlamaConfiguration, _ weights: ScopedWeights) throws {
        let (width, epsilon) = (configuration.hiddenSize, configuration.normEpsilon)
        norm1 = try RMSNorm(width, epsilon: epsilon, weights.scope("input_layernorm"))
        attention = try LlamaAttention(configuration, weights.scope("self_attn"))
        norm2 = try RMSNorm(width, epsilon: epsilon, weights.scope("post_attention_layernorm"))
        feedForward = try GatedFeedForward(
            width, inner: configuration.intermediateSize, activation: configuration.activation,
            hasBias: configuration.hasFeedForwardBias,
            initial: .normal(standardDeviation: configuration.initializerRange), weights.scope("mlp"))
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let h = pass.visit(site, .middle, x + attention(norm1(x, pass), context, &state, pass))
        return pass.visit(site, .output, h + feedForward(norm2(h, pass), pass))
    }

    /// The weights as the kernel for single tokens takes them; nil where the layer is of another kind.
    var gated: GatedDecoderLayer? {
        guard let parts = feedForward.maps else { return nil }
        return GatedDecoderLayer(
            norm1: norm1.scale, queries: attention.queries.map, keys: attention.keys.map, values: attention.values.map,
            output: attention.output.map, norm2: norm2.scale, gate: parts.gate, up: parts.up, down: parts.down)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm1.mapParameters(transform)
        attention.mapParameters(transform)
        norm2.mapParameters(transform)
        feedForward.mapParameters(transform)
    }
}

/// Attention with turned queries and keys.
struct LlamaAttention: Layer {
    private(set) var queries: Linear
    private(set) var keys: Linear
    private(set) var values: Linear
    private(set) var output: Linear
    private let headDimension: Int
    private let reading: GroupedAttention
    private let site: Int

    init(_ configuration: LlamaConfiguration, _ weights: ScopedWeights) throws {
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
        headDimension = dimension
        reading = GroupedAttention(scale: Self.scale(configuration), site: weights.site)
        site = weights.site
    }

    /// The factor of the scores.
    static func scale(_ configuration: LlamaConfiguration) -> Float {
        1 / Float(configuration.headDimension).squareRoot()
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let turn = context.rotations[0]
        let read = Linear.outputs(of: [queries, keys, values], x, pass).map { $0.byHead(headDimension) }
        let q = rotary(read[0], cosines: turn.cosines, sines: turn.sines)
        let k = rotary(read[1], cosines: turn.cosines, sines: turn.sines)
        let answer = reading(q, k, read[2], context, &state, pass)
        return pass.visit(site, .output, output(answer.flattened(2...3), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        queries.mapParameters(transform)
        keys.mapParameters(transform)
        values.mapParameters(transform)
        output.mapParameters(transform)
    }
}
