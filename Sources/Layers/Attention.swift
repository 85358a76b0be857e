public import TensorCore
public import Weights

/// Multi-head attention with its projections.
///
///     scale = 1 / sqrt(headDimension)
///     y = output(softmax(scale * queries(x) · keys(context)ᵀ) · values(context))
///
/// Follows diffusers `attention_processor.py` (names `to_q`, `to_k`, `to_v`, `to_out.0`) and transformers
/// `modeling_clip.py` (names `q_proj`, `k_proj`, `v_proj`, `out_proj`).
public struct Attention: Layer {
    private var queries: Linear
    private var keys: Linear
    private var values: Linear
    private var output: Linear
    public let heads: Int
    public let isCausal: Bool
    public let site: Int

    /// - Parameters:
    ///   - heads: divides the width of the projected queries.
    ///   - isCausal: whether token i sees tokens 0...i only.
    ///   - site: the number of the whole layer.
    public init(
        queries: Linear, keys: Linear, values: Linear, output: Linear, heads: Int, isCausal: Bool = false, site: Int
    ) {
        self.queries = queries
        self.keys = keys
        self.values = values
        self.output = output
        self.heads = heads
        self.isCausal = isCausal
        self.site = site
    }

    /// Attention under diffusers' names.
    ///
    /// - Parameters:
    ///   - channels: width of the input and of the output.
    ///   - contextChannels: width of the context; `channels` for self-attention.
    ///   - hasBias: whether queries, keys and values have a bias; the output always has one.
    public init(
        _ channels: Int, contextChannels: Int? = nil, heads: Int, hasBias: Bool = false, _ weights: ScopedWeights
    ) throws {
        let contextChannels = contextChannels ?? channels
        self.init(
            queries: try Linear(channels, channels, hasBias: hasBias, weights.scope("to_q")),
            keys: try Linear(contextChannels, channels, hasBias: hasBias, weights.scope("to_k")),
            values: try Linear(contextChannels, channels, hasBias: hasBias, weights.scope("to_v")),
            output: try Linear(channels, channels, weights.scope("to_out", 0)),
            heads: heads, site: weights.site)
    }

    /// - Parameters:
    ///   - x: `[batch, tokens, channels]`.
    ///   - context: `[batch, contextTokens, contextChannels]`; `x` itself for self-attention.
    ///   - residual: what the output is added to, if anything.
    /// - Returns: `[batch, tokens, channels]`.
    public func callAsFunction(
        _ x: Tensor, context: Tensor? = nil, addedTo residual: Tensor? = nil, _ pass: Pass
    ) -> Tensor {
        let x = pass.visit(site, .input, x)
        let context = context ?? x
        let q = pass.visit(site, .queries, byHead(queries(x, pass)))
        let k = pass.visit(site, .keys, byHead(keys(context, pass)))
        let v = pass.visit(site, .values, byHead(values(context, pass)))
        let read = pass.visit(site, .heads, mixingRegions(attend(q, k, v, pass), q, context, pass))
        return output(read.flattened(2...3), addedTo: residual, of: site, pass)
    }

    /// Whether the projections round their input to bfloat16, so that whoever makes it may do so.
    public func roundsInput(_ pass: Pass) -> Bool {
        queries.roundsInput(pass) && keys.roundsInput(pass) && values.roundsInput(pass)
    }

    /// What the queries read, with the answers of adapted keys and values in their regions:
    ///
    ///     read + sum over regions of share · (read with the region's adapters - read)
    private func mixingRegions(_ read: Tensor, _ q: Tensor, _ context: Tensor, _ pass: Pass) -> Tensor {
        guard let adaptation = pass.adaptation else { return read }
        return adaptation.regionalReadings(at: [keys.site, values.site]).reduce(read) { mixed, reading in
            guard let share = reading.share(q.size(1)) else { return mixed }
            var regional = Pass(adaptation: reading.adaptation, rows: pass.rows, checkpointing: pass.checkpointing)
            regional.isReplay = pass.isReplay
            let there = attend(
                q, byHead(keys(context, regional)), byHead(values(context, regional)), regional)
            return mixed + share * (there - read)
        }
    }

    /// `[batch, tokens, heads * headDimension]` as `[batch, tokens, heads, headDimension]`.
    private func byHead(_ x: Tensor) -> Tensor {
        x.reshaped([x.size(0), x.size(1), heads, x.size(2) / heads])
    }

    /// The fused kernel, or, when the plan visits scores or probabilities, the plain path in which they exist.
    private func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: Pass) -> Tensor {
        let options = AttentionOptions(
            scale: 1 / Float(q.size(3)).squareRoot(), isCausal: isCausal,
            allowsBFloat16: queries.weight.dtype == .bfloat16, roundsGradients: queries.weight.isTracked)
        guard pass.isVisiting(site, .scores) || pass.isVisiting(site, .pattern) else {
            return attention(queries: q, keys: k, values: v, options)
        }
        var scores = matmul(q.permuted([0, 2, 1, 3]), k.permuted([0, 2, 3, 1])) * Double(options.scale)
        if isCausal { scores = scores + causalMask(queries: q.size(1), keys: k.size(1)) }
        var shown = ShownValues(site, pass)
        let pattern = shown.visit(.pattern, softmax(shown.visit(.scores, scores)))
        return shown.answer(
            plain: matmul(pattern, v.permuted([0, 2, 1, 3])).permuted([0, 2, 1, 3]),
            fused: attention(queries: q, keys: k, values: v, options))
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        queries.mapParameters(transform)
        keys.mapParameters(transform)
        values.mapParameters(transform)
        output.mapParameters(transform)
    }
}

/// Minus infinity where a key comes after its query, 0 elsewhere; the last query sees every key.
private func causalMask(queries: Int, keys: Int) -> Tensor {
    var elements = [Float](repeating: 0, count: queries * keys)
    for query in 0..<queries {
        let firstHidden = max(query + keys - queries + 1, 0)
        for key in firstHidden..<keys { elements[query * keys + key] = -.infinity }
    }
    return Tensor(elements, shape: [queries, keys])
}
