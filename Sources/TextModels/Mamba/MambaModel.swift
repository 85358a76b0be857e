public import Layers
public import TensorCore
public import Weights

/// Mamba (the first): every layer is a gated state-space mixer; there is no attention.
///
/// Follows transformers `modeling_mamba.py`, MambaForCausalLM.
public struct MambaModel: LanguageModel {
    public let configuration: MambaConfiguration
    private var embedding: Embedding
    private var layers: [MambaLayer]
    private var norm: RMSNorm
    private var head: Linear
    private let site: Int

    public init(_ configuration: MambaConfiguration, weights: ScopedWeights) throws {
        try configuration.validate()
        self.configuration = configuration
        let (width, initial) = (
            configuration.hiddenSize, Initialization.normal(standardDeviation: configuration.initializerRange)
        )
        let model = weights.scope("backbone")
        // The checkpoints of Mamba's authors say `embedding`.
        let isOld = model.contains("embedding.weight")
        embedding = try Embedding(
            configuration.vocabularySize, width, initial: initial,
            model.scope("embeddings", storedAs: isOld ? "embedding" : "embeddings"))
        layers = try (0..<configuration.layers).map { try MambaLayer(configuration, model.scope("layers", $0)) }
        norm = try RMSNorm(width, epsilon: configuration.normEpsilon, model.scope("norm_f"))
        head = try Linear(
            reading: embedding, isTied: configuration.isTied, initial: initial, weights.scope("lm_head"))
        site = model.site
    }

    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumTokens: Int? { nil }

    public func callAsFunction(
        _ tokens: TokenBatch, after state: DecodingState?, logits: LogitSelection, _ pass: Pass
    ) -> LanguageModelOutput {
        let context = DecoderContext(tokens, after: state)
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

/// `x + mixer(norm(x))`.
struct MambaLayer: DecoderLayer {
    private var norm: RMSNorm
    private var mixer: MambaMixer
    private let site: Int

    init(_ configuration: MambaConfiguration, _ weights: ScopedWeights) throws {
        norm = try RMSNorm(configuration.hiddenSize, epsilon: configuration.normEpsilon, weights.scope("norm"))
        mixer = try MambaMixer(configuration, weights.scope("mixer"))
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        return pass.visit(site, .output, x + mixer(norm(x, pass), context, &state, pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm.mapParameters(transform)
        mixer.mapParameters(transform)
    }
}
