internal import Layers
internal import TensorCore

/// Causal attention between projected queries, keys and values, whose heads may share keys.
///
///     read = softmax(scale * queries · keysᵀ + mask) · values
///
/// The projections belong to the layer around it. Keys and values of earlier tokens come from the layer's state.
struct GroupedAttention: Sendable {
    let scale: Float
    var softCap: Float?
    /// How many tokens a query sees, itself included; nil for all.
    var window: Int?
    /// The number of the attention layer, where the ports are.
    let site: Int

    /// - Parameters:
    ///   - q: `[batch, tokens, heads, headDimension]`, turned to its position, as `k` is.
    ///   - k, v: `[batch, tokens, keyHeads, headDimension]`.
    /// - Returns: the shape of `q`.
    func callAsFunction(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass
    ) -> Tensor {
        let q = pass.visit(site, .queries, q)
        var (k, v) = (pass.visit(site, .keys, k), pass.visit(site, .values, v))
        if let before = state {
            let (keys, values): (GrowingTensor, GrowingTensor)
            if case .attention(let oldKeys, let oldValues) = before {
                (keys, values) = (oldKeys.appending(k), oldValues.appending(v))
            } else {
                (keys, values) = (GrowingTensor(k), GrowingTensor(v))
            }
            state = .attention(keys: keys, values: values)
            (k, v) = (keys.tensor, values.tensor)
        }
        let seen = context.keys(window: window)
        if seen < k.size(1) {
            k = k.narrowed(1, start: k.size(1) - seen, count: seen)
            v = v.narrowed(1, start: v.size(1) - seen, count: seen)
        }
        return pass.visit(site, .heads, attend(q, k, v, context, pass))
    }

    /// The fused kernel, or, when the plan visits scores or probabilities, the plain path in which they exist.
    private func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: DecoderContext, _ pass: Pass) -> Tensor {
        let options = AttentionOptions(
            scale: scale, isCausal: context.count > 1, softCap: softCap, mask: context.mask(window: window))
        guard pass.isVisiting(site, .scores) || pass.isVisiting(site, .pattern) else {
            return attention(queries: q, keys: k, values: v, options)
        }
        let group = q.size(2) / k.size(2)
        let (keys, values) = (k.repeatingHeads(group), v.repeatingHeads(group))
        var scores = matmul(q.permuted([0, 2, 1, 3]), keys.permuted([0, 2, 3, 1])) * Double(scale)
        if let cap = softCap { scores = TensorCore.softCap(scores, cap) }
        var shown = ShownValues(site, pass)
        scores = shown.visit(.scores, scores + context.wholeMask(window: window))
        let pattern = shown.visit(.pattern, softmax(scores))
        return shown.answer(
            plain: matmul(pattern, values.permuted([0, 2, 1, 3])).permuted([0, 2, 1, 3]),
            fused: attention(queries: q, keys: k, values: v, options))
    }
}

extension Tensor {
    /// `[batch, tokens, heads * dimension]` as `[batch, tokens, heads, dimension]`.
    func byHead(_ dimension: Int) -> Tensor { reshaped([size(0), size(1), size(2) / dimension, dimension]) }
}
