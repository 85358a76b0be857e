public import Layers
public import TensorCore
public import Weights

/// GPT-2: learnt positions, layer norms before each part, one matrix for queries, keys and values.
///
/// Weight keys begin with `transformer.`; files written without that prefix are accepted, and the paths of the layers
/// have it in either case. Follows transformers `modeling_gpt2.py`, GPT2LMHeadModel.
public struct GPT2Model: LanguageModel {
    public let configuration: GPT2Configuration
    private var tokenTable: Embedding
    private var positionTable: Embedding
    private var layers: [GPT2Layer]
    private var norm: LayerNorm
    private var head: Linear
    private let site: Int

    public init(_ configuration: GPT2Configuration, weights: ScopedWeights) throws {
        try configuration.validate()
        self.configuration = configuration
        let (width, initial) = (
            configuration.hiddenSize, Initialization.normal(standardDeviation: configuration.initializerRange)
        )
        let isBare = weights.contains("wte.weight")
        let model = weights.scope("transformer", storedAs: isBare ? "" : "transformer")
        tokenTable = try Embedding(configuration.vocabularySize, width, initial: initial, model.scope("wte"))
        positionTable = try Embedding(configuration.maximumPositions, width, initial: initial, model.scope("wpe"))
        layers = try (0..<configuration.layers).map { try GPT2Layer(configuration, index: $0, model.scope("h", $0)) }
        norm = try LayerNorm(width, epsilon: configuration.normEpsilon, model.scope("ln_f"))
        head = try Linear(
            reading: tokenTable, isTied: configuration.isTied, initial: initial, weights.scope("lm_head"))
        site = model.site
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumTokens: Int? { configuration.maximumPositions }

    public func callAsFunction(
        _ tokens: TokenBatch, after state: DecodingState?, logits: LogitSelection, _ pass: Pass
    ) -> LanguageModelOutput {
        let context = DecoderContext(tokens, after: state, windows: [nil])
        let positions = context.positions
        let places = Tensor(positions.flatMap { $0.map(Int64.init) }, shape: [positions.count, context.count])
        let vectors = tokenTable(tokens.ids, pass) + positionTable(places, pass)
        var (h, next) = layers.run(vectors, context, after: state, pass)
        if pass.isFinished { return .unfinished(h) }
        h = pass.visit(site, .output, norm(h, pass))
        if pass.isFinished { return .unfinished(h) }
        return LanguageModelOutput(logits: head(h.selecting(logits), pass), hiddenState: h, state: next)
    }

    public func unembedded(_ residual: Tensor, _ pass: Pass) -> Tensor { head(norm(residual, pass), pass) }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        tokenTable.mapParameters(transform)
        positionTable.mapParameters(transform)
        layers.mapParameters(transform)
        norm.mapParameters(transform)
        head.mapHead(tiedTo: configuration.isTied ? tokenTable : nil, transform)
    }
}

extension Linear {
    /// transformers' Conv1D: a linear layer whose matrix is stored as `[inputs, outputs]`.
    ///
    /// Frozen matrices are turned once, since products of one vector read rows.
    init(conv1D inputs: Int, _ outputs: Int, initial: Initialization, _ weights: ScopedWeights) throws {
        let stored = try weights.tensor("weight", shape: [inputs, outputs], initial: initial)
        var weight = stored.transposed(0, 1)
        if stored.storage.isFrozen && !stored.isTracked { weight = weight.contiguous().frozen() }
        self.init(
            weight: weight, bias: try weights.tensor("bias", shape: [outputs], initial: .zeros), site: weights.site)
    }
}

/// One layer:
///
///     h = x + attn(ln_1(x))
///     y = h + mlp(ln_2(h))
struct GPT2Layer: DecoderLayer {
    private var norm1: LayerNorm
    private var attention: GPT2Attention
    private var norm2: LayerNorm
    private var feedForward: PlainFeedForward
    private let site: Int

    init(_ configuration: GPT2Configuration, index: Int, _ weights: ScopedWeights) throws {
        let (width, epsilon) = (configuration.hiddenSize, configuration.normEpsilon)
        norm1 = try LayerNorm(width, epsilon: epsilon, weights.scope("ln_1"))
        attention = try GPT2Attention(configuration, index: index, weights.scope("attn"))
        norm2 = try LayerNorm(width, epsilon: epsilon, weights.scope("ln_2"))
        let inner = configuration.inner
        feedForward = try PlainFeedForward(configuration.activation, weights.scope("mlp")) { weights in
            (
                input: try Linear(
                    conv1D: width, inner, initial: .normal(standardDeviation: configuration.initializerRange),
                    weights.scope("c_fc")),
                output: try Linear(
                    conv1D: inner, width, initial: configuration.residualInitialization, weights.scope("c_proj"))
            )
        }
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let h = pass.visit(site, .middle, x + attention(norm1(x, pass), context, &state, pass))
        return pass.visit(site, .output, h + feedForward(norm2(h, pass), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm1.mapParameters(transform)
        attention.mapParameters(transform)
        norm2.mapParameters(transform)
        feedForward.mapParameters(transform)
    }
}

/// Attention whose queries, keys and values come from one matrix.
struct GPT2Attention: Layer {
    private var projection: Linear
    private var output: Linear
    private let headDimension: Int
    private let reading: GroupedAttention
    private let site: Int

    init(_ configuration: GPT2Configuration, index: Int, _ weights: ScopedWeights) throws {
        let width = configuration.hiddenSize
        let initial = Initialization.normal(standardDeviation: configuration.initializerRange)
        projection = try Linear(conv1D: width, 3 * width, initial: initial, weights.scope("c_attn"))
        output = try Linear(
            conv1D: width, width, initial: configuration.residualInitialization, weights.scope("c_proj"))
        headDimension = width / configuration.heads
        var scale = configuration.scalesScores ? 1 / Float(headDimension).squareRoot() : 1
        if configuration.scalesScoresByLayer { scale /= Float(index + 1) }
        reading = GroupedAttention(scale: scale, site: weights.site)
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let parts = projection(x, pass).chunked(2, count: 3).map { $0.byHead(headDimension) }
        let read = reading(parts[0], parts[1], parts[2], context, &state, pass)
        return pass.visit(site, .output, output(read.flattened(2...3), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        projection.mapParameters(transform)
        output.mapParameters(transform)
    }
}

extension GPT2Configuration {
    /// Of the matrices that write into the residual stream: narrower, the more of them there are.
    fileprivate var residualInitialization: Initialization {
        .normal(standardDeviation: initializerRange / Float(2 * layers).squareRoot())
    }
}
