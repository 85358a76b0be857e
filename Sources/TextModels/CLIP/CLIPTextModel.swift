public import Layers
public import TensorCore
public import Weights

/// What a CLIP text encoder gives for a batch of token rows.
public struct CLIPTextOutput: Sendable {
    /// After the final norm: `[batch, tokens, hidden]`.
    public let lastHiddenState: Tensor
    /// The embeddings, then the output of every layer before the final norm: `layers + 1` tensors
    /// `[batch, tokens, hidden]`.
    public let hiddenStates: [Tensor]
    /// The row of `lastHiddenState` at the end token: `[batch, hidden]`.
    public let pooled: Tensor
    /// `pooled` through `text_projection`: `[batch, projection]`; nil for encoders without one.
    public let projected: Tensor?
}

/// The text encoder of CLIP.
///
/// Weight keys begin with `text_model.`; folders written without that prefix are accepted, and the paths of the layers
/// have it in either case. Follows transformers `modeling_clip.py`.
public struct CLIPTextModel: Layer {
    public let configuration: CLIPTextConfiguration
    private var embeddings: CLIPTextEmbeddings
    private var layers: [CLIPEncoderLayer]
    private var finalNorm: LayerNorm
    private var projection: Linear?
    private let encoderSite: Int

    public init(_ configuration: CLIPTextConfiguration, weights: ScopedWeights) throws {
        try configuration.validate()
        self.configuration = configuration
        let isBare = weights.contains("embeddings.token_embedding.weight")
        let text = weights.scope("text_model", storedAs: isBare ? "" : "text_model")
        let encoder = text.scope("encoder")
        embeddings = try CLIPTextEmbeddings(configuration, text.scope("embeddings"))
        layers = try (0..<configuration.layers).map { index in
            try CLIPEncoderLayer(configuration, encoder.scope("layers", index))
        }
        finalNorm = try LayerNorm(
            configuration.hiddenSize, epsilon: configuration.layerNormEpsilon, text.scope("final_layer_norm"))
        if configuration.hasProjection || weights.contains("text_projection.weight") {
            let deviation = configuration.initializerFactor / Float(configuration.hiddenSize).squareRoot()
            projection = try Linear(
                configuration.hiddenSize, configuration.projectionSize, hasBias: false,
                initialWeight: .normal(standardDeviation: deviation), weights.scope("text_projection"))
        }
        encoderSite = encoder.site
    }

    /// - Parameters:
    ///   - tokens: `[batch, tokens]`, int64, below the size of the vocabulary; at most `maximumTokens` wide.
    ///   - added: `[count, hidden]`: the vectors of the `count` ids from the size of the vocabulary on.
    public func callAsFunction(_ tokens: Tensor, added: Tensor? = nil, _ pass: Pass) -> CLIPTextOutput {
        var h = pass.visit(encoderSite, .input, embeddings(tokens, added: added, pass))
        var states = [h]
        for layer in layers {
            h = layer.checkpointed([h], pass) { layer, inputs, pass in layer(inputs[0], pass) }
            states.append(h)
        }
        h = finalNorm(pass.visit(encoderSite, .output, h), pass)
        let pooled = endRows(h, tokens)
        return CLIPTextOutput(
            lastHiddenState: h, hiddenStates: states, pooled: pooled, projected: projection?(pooled, pass))
    }

    /// The final norm alone, for pipelines that skip the last layers.
    public func normalized(_ hiddenState: Tensor, _ pass: Pass) -> Tensor { finalNorm(hiddenState, pass) }

    /// The row of each text at its end token.
    ///
    /// Old configurations say `eos_token_id` 2, which is not the end token's number: for them the row with the largest
    /// number counts, and the first of equals. Follows transformers `modeling_clip.py`, CLIPTextTransformer.
    private func endRows(_ h: Tensor, _ tokens: Tensor) -> Tensor {
        let (batch, length) = (tokens.size(0), tokens.size(1))
        let end = configuration.endTokenID
        let ids = tokens.integers
        let rows = (0..<batch).map { row -> Int64 in
            let text = ids[row * length..<(row + 1) * length]
            // Added ids lie above all others and end nothing.
            let wanted = end == 2 ? text.filter { $0 < configuration.vocabularySize }.max() : Int64(end)
            let place = text.firstIndex { $0 == wanted } ?? row * length
            return Int64(place)
        }
        return embedding(Tensor(rows), h.reshaped([batch * length, h.size(2)]))
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        embeddings.mapParameters(transform)
        layers.mapParameters(transform)
        finalNorm.mapParameters(transform)
        projection.mapParameters(transform)
    }
}

/// Token and position vectors, added.
struct CLIPTextEmbeddings: Layer {
    private var tokens: Embedding
    private var positions: Embedding
    private let site: Int

    init(_ configuration: CLIPTextConfiguration, _ weights: ScopedWeights) throws {
        let initial = Initialization.normal(standardDeviation: 0.02 * configuration.initializerFactor)
        tokens = try Embedding(
            configuration.vocabularySize, configuration.hiddenSize, initial: initial, weights.scope("token_embedding"))
        positions = try Embedding(
            configuration.maximumTokens, configuration.hiddenSize, initial: initial,
            weights.scope("position_embedding"))
        site = weights.site
    }

    func callAsFunction(_ ids: Tensor, added: Tensor?, _ pass: Pass) -> Tensor {
        let numbers = Tensor.indices(ids.size(1)).unsqueezed(0)
        return pass.visit(site, .output, vectors(ids, added, pass) + positions(numbers, pass))
    }

    /// Rows of the table, and of `added` for the ids above it.
    private func vectors(_ ids: Tensor, _ added: Tensor?, _ pass: Pass) -> Tensor {
        guard let added else { return tokens(ids, pass) }
        let count = Int64(tokens.weight.size(0))
        let numbers = ids.integers
        let known = Tensor(numbers.map { $0 < count ? $0 : 0 }, shape: ids.shape)
        let above = Tensor(numbers.map { $0 < count ? 0 : $0 - count }, shape: ids.shape)
        let isAdded = Tensor(numbers.map { $0 < count ? Float(0) : 1 }, shape: ids.shape + [1])
        return tokens(known, pass) * (1 - isAdded) + embedding(above, added) * isAdded
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        tokens.mapParameters(transform)
        positions.mapParameters(transform)
    }
}

/// One layer: attention, then a feed-forward part, each after a norm and beside a residual.
///
///     h = x + self_attn(layer_norm1(x))
///     y = h + mlp(layer_norm2(h))
struct CLIPEncoderLayer: Layer {
    private var norm1: LayerNorm
    private var attention: Attention
    private var norm2: LayerNorm
    private var feedForward: CLIPFeedForward
    private let site: Int

    init(_ configuration: CLIPTextConfiguration, _ weights: ScopedWeights) throws {
        let (width, epsilon) = (configuration.hiddenSize, configuration.layerNormEpsilon)
        norm1 = try LayerNorm(width, epsilon: epsilon, weights.scope("layer_norm1"))
        attention = try Attention(clip: configuration, weights.scope("self_attn"))
        norm2 = try LayerNorm(width, epsilon: epsilon, weights.scope("layer_norm2"))
        feedForward = try CLIPFeedForward(configuration, weights.scope("mlp"))
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let h = pass.visit(site, .middle, x + attention(norm1(x, pass), pass))
        return pass.visit(site, .output, h + feedForward(norm2(h, pass), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm1.mapParameters(transform)
        attention.mapParameters(transform)
        norm2.mapParameters(transform)
        feedForward.mapParameters(transform)
    }
}

extension Attention {
    /// Causal self-attention under transformers' names, with CLIP's initial values.
    fileprivate init(clip configuration: CLIPTextConfiguration, _ weights: ScopedWeights) throws {
        let width = configuration.hiddenSize
        let output = configuration.initializerFactor / Float(width).squareRoot()
        let input = output / Float(2 * configuration.layers).squareRoot()
        func projection(_ name: String, _ deviation: Float) throws -> Linear {
            try Linear(
                width, width, initialWeight: .normal(standardDeviation: deviation), initialBias: .zeros,
                weights.scope(name))
        }
        self.init(
            queries: try projection("q_proj", input), keys: try projection("k_proj", input),
            values: try projection("v_proj", input), output: try projection("out_proj", output),
            heads: configuration.heads, isCausal: true, site: weights.site)
    }
}

/// `fc2(activation(fc1(x)))`.
struct CLIPFeedForward: Layer {
    private var fc1: Linear
    private var fc2: Linear
    private let activation: Activation
    private let activationSite: Int
    private let site: Int

    init(_ configuration: CLIPTextConfiguration, _ weights: ScopedWeights) throws {
        let (width, inner) = (configuration.hiddenSize, configuration.intermediateSize)
        let factor = configuration.initializerFactor
        let input = factor / Float(2 * width).squareRoot()
        let output = factor / Float(width).squareRoot() / Float(2 * configuration.layers).squareRoot()
        fc1 = try Linear(
            width, inner, initialWeight: .normal(standardDeviation: input), initialBias: .zeros, weights.scope("fc1"))
        activation = configuration.activation
        activationSite = weights.scope("activation_fn").site
        fc2 = try Linear(
            inner, width, initialWeight: .normal(standardDeviation: output), initialBias: .zeros, weights.scope("fc2"))
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let h = pass.visit(activationSite, .output, activation(pass.visit(activationSite, .input, fc1(x, pass))))
        return pass.visit(site, .output, fc2(h, pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        fc1.mapParameters(transform)
        fc2.mapParameters(transform)
    }
}
