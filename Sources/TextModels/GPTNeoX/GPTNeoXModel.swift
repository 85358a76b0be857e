public import Layers
public import TensorCore
public import Weights

/// GPT-NeoX, the family of Pythia: attention and feed-forward part side by side, rotary positions in part of each head.
///
/// Follows transformers `modeling_gpt_neox.py`, GPTNeoXForCausalLM.
public struct GPTNeoXModel: LanguageModel {
    public let configuration: GPTNeoXConfiguration
    private var embedding: Embedding
    private var layers: [GPTNeoXLayer]
    private var norm: LayerNorm
    private var head: Linear
    private let frequencies: RotaryFrequencies
    private let site: Int

    public init(_ configuration: GPTNeoXConfiguration, weights: ScopedWeights) throws {
        try configuration.validate()
        self.configuration = configuration
        let (width, initial) = (
            configuration.hiddenSize, Initialization.normal(standardDeviation: configuration.initializerRange)
        )
        let model = weights.scope("gpt_neox")
        embedding = try Embedding(configuration.vocabularySize, width, initial: initial, model.scope("embed_in"))
        layers = try (0..<configuration.layers).map { try GPTNeoXLayer(configuration, model.scope("layers", $0)) }
        norm = try LayerNorm(width, epsilon: configuration.normEpsilon, model.scope("final_layer_norm"))
        // Newer folders may say `lm_head`.
        let head = weights.contains("lm_head.weight") ? "lm_head" : "embed_out"
        self.head = try Linear(
            reading: embedding, isTied: configuration.isTied, initial: initial,
            weights.scope("embed_out", storedAs: head))
        frequencies = configuration.rotary.frequencies(
            headDimension: width / configuration.heads, maximumTokens: configuration.maximumPositions)
        site = model.site
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumTokens: Int? { configuration.rotary.maximumTokens(positions: configuration.maximumPositions) }

    public func callAsFunction(
        _ tokens: TokenBatch, after state: DecodingState?, logits: LogitSelection, _ pass: Pass
    ) -> LanguageModelOutput {
        let context = DecoderContext(tokens, after: state, windows: [nil], rotary: [frequencies])
        var (h, next) = layers.run(embedding(tokens.ids, pass), context, after: state, pass)
        if pass.isFinished { return .unfinished(h) }
        h = pass.visit(site, .output, norm(h, pass))
        if pass.isFinished { return .unfinished(h) }
        return LanguageModelOutput(logits: head(h.selecting(logits), pass), hiddenState: h, state: next)
    }

    public func unembedded(_ residual: Tensor, _ pass: Pass) -> Tensor { head(norm(residual, pass), pass) }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        embedding.mapParameters(transform)
        layers.mapParameters(transform)
        norm.mapParameters(transform)
        head.mapHead(tiedTo: configuration.isTied ? embedding : nil, transform)
    }
}

/// One layer, in parallel or in turn:
///
///     y = x + attention(input_layernorm(x)) + mlp(post_attention_layernorm(x))
///     y = h + mlp(post_attention_layernorm(h))   with   h = x + attention(input_layernorm(x))
struct GPTNeoXLayer: DecoderLayer {
    private var norm1: LayerNorm
    private var norm2: LayerNorm
    private var attention: GPTNeoXAttention
    private var feedForward: PlainFeedForward
    private let isParallel: Bool
    private let site: Int

    init(_ configuration: GPTNeoXConfiguration, _ weights: ScopedWeights) throws {
        let (width, epsilon) = (configuration.hiddenSize, configuration.normEpsilon)
        norm1 = try LayerNorm(width, epsilon: epsilon, weights.scope("input_layernorm"))
        norm2 = try LayerNorm(width, epsilon: epsilon, weights.scope("post_attention_layernorm"))
        attention = try GPTNeoXAttention(configuration, weights.scope("attention"))
        let (inner, initial) = (
            configuration.intermediateSize, Initialization.normal(standardDeviation: configuration.initializerRange)
        )
        feedForward = try PlainFeedForward(configuration.activation, weights.scope("mlp")) { weights in
            (
                input: try Linear(
                    width, inner, initialWeight: initial, initialBias: .zeros, weights.scope("dense_h_to_4h")),
                output: try Linear(
                    inner, width, initialWeight: initial, initialBias: .zeros, weights.scope("dense_4h_to_h"))
            )
        }
        isParallel = configuration.isParallel
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let read = attention(norm1(x, pass), context, &state, pass)
        if isParallel { return pass.visit(site, .output, feedForward(norm2(x, pass), pass) + read + x) }
        let h = pass.visit(site, .middle, read + x)
        return pass.visit(site, .output, feedForward(norm2(h, pass), pass) + h)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm1.mapParameters(transform)
        norm2.mapParameters(transform)
        attention.mapParameters(transform)
        feedForward.mapParameters(transform)
    }
}

/// Attention whose queries, keys and values come from one matrix, head by head.
struct GPTNeoXAttention: Layer {
    private var projection: Linear
    private var output: Linear
    private let headDimension: Int
    private let reading: GroupedAttention
    private let site: Int

    init(_ configuration: GPTNeoXConfiguration, _ weights: ScopedWeights) throws {
        let (width, hasBias) = (configuration.hiddenSize, configuration.hasAttentionBias)
        let initial = Initialization.normal(standardDeviation: configuration.initializerRange)
        projection = try Linear(
            width, 3 * width, hasBias: hasBias, initialWeight: initial, initialBias: .zeros,
            weights.scope("query_key_value"))
        output = try Linear(
            width, width, hasBias: hasBias, initialWeight: initial, initialBias: .zeros, weights.scope("dense"))
        headDimension = width / configuration.heads
        reading = GroupedAttention(scale: 1 / Float(headDimension).squareRoot(), site: weights.site)
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let parts = projection(x, pass).byHead(3 * headDimension).chunked(3, count: 3)
        let turn = context.rotations[0]
        let q = rotary(parts[0], cosines: turn.cosines, sines: turn.sines)
        let k = rotary(parts[1], cosines: turn.cosines, sines: turn.sines)
        let read = reading(q, k, parts[2], context, &state, pass)
        return pass.visit(site, .output, output(read.flattened(2...3), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        projection.mapParameters(transform)
        output.mapParameters(transform)
    }
}
