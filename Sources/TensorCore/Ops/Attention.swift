/// Scaled dot-product attention, tile by tile: the score matrix never exists.
///
///     output = softmax(scale * queries · keysᵀ + mask) · values
///
/// - Parameters:
///   - queries: `[batch, queryTokens, heads, headDimension]`.
///   - keys, values: `[batch, keyTokens, heads, headDimension]`.
/// - Returns: the shape of `queries`.
/// Follows `torch.nn.functional.scaled_dot_product_attention`, with tokens before heads.
public func attention(queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions) -> Tensor {
    precondition(
        queries.rank == 4 && keys.shape == values.shape && queries.size(0) == keys.size(0)
            && queries.size(2) == keys.size(2) && queries.size(3) == keys.size(3),
        "attention: queries \(queries.shape), keys \(keys.shape), values \(values.shape)")
    let sources = [queries, keys, values].map { $0.converted(to: .float32) }
    let (q, k, v) = (sources[0].detached, sources[1].detached, sources[2].detached)
    if let mask = options.mask, mask.isTracked {
        return plainAttention(sources[0], sources[1], sources[2], mask, options)
    }
    var options = options
    options.mask = options.mask?.detached.converted(to: .float32)
    let (output, logSumExp) = q.backend.attention(queries: q, keys: k, values: v, options)
    return output.recorded(from: sources) { [options] gradient in
        let result = gradient.backend.attentionBackward(
            gradient, queries: q, keys: k, values: v, output: output, logSumExp: logSumExp, options)
        return [result.queries, result.keys, result.values]
    }
}

/// Attention with a differentiable mask, from plain operations.
private func plainAttention(
    _ queries: Tensor, _ keys: Tensor, _ values: Tensor, _ mask: Tensor, _ options: AttentionOptions
) -> Tensor {
    let (q, k, v) = (queries.transposed(1, 2), keys.transposed(1, 2), values.transposed(1, 2))
    var scores = matmul(q, k.transposed(2, 3)) * Double(options.scale) + mask.converted(to: .float32)
    if options.isCausal {
        let rows = Tensor.indices(q.size(2)).reshaped([-1, 1]) + Double(k.size(2) - q.size(2))
        let isVisible = compare(.lessOrEqual, Tensor.indices(k.size(2)), rows)
        scores = select(isVisible, scores, Tensor.full(-.infinity, shape: []))
    }
    return matmul(softmax(scores), v).transposed(1, 2).contiguous()
}

/// The gated half of a GEGLU feed-forward: `hidden * gelu(gate)`.
///
/// - Parameter x: `[..., 2 * channels]`: hidden first, gate second (diffusers `activations.py`, GEGLU).
/// - Returns: `[..., channels]`.
public func geglu(_ x: Tensor) -> Tensor {
    precondition(x.size(-1) % 2 == 0, "geglu: last dimension of \(x.shape) is odd")
    let x = x.converted(to: .float32)
    let input = x.detached
    return input.backend.geglu(input).recorded(from: [x]) { gradient in
        [gradient.backend.gegluBackward(gradient, x: input)]
    }
}
