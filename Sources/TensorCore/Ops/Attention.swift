/// Scaled dot-product attention, tile by tile: the score matrix never exists.
///
///     output = softmax(scale * queries · keysᵀ + mask) · values
///
/// - Parameters:
///   - queries: `[batch, queryTokens, heads, headDimension]`.
///   - keys, values: `[batch, keyTokens, keyHeads, headDimension]`; `keyHeads` divides `heads`, and query head h reads
///     key head `h / (heads / keyHeads)`.
/// - Returns: the shape of `queries`.
/// Follows `torch.nn.functional.scaled_dot_product_attention`, with tokens before heads.
public func attention(queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions) -> Tensor {
    precondition(
        queries.rank == 4 && keys.shape == values.shape && queries.size(0) == keys.size(0)
            && queries.size(2) % max(keys.size(2), 1) == 0 && queries.size(3) == keys.size(3),
        "attention: queries \(queries.shape), keys \(keys.shape), values \(values.shape)")
    let sources = [queries, keys, values].map { $0.converted(to: .float32) }
    let isTracked = sources.contains(where: \.isTracked) || options.mask?.isTracked ?? false
    var options = options
    if queries.size(1) == 1, !isTracked, options.allowsStep(keyTokens: keys.size(1), batch: queries.size(0)) {
        options.mask = options.mask?.converted(to: .float32)
        return sharedBackend(queries, keys, values)
            .attentionStep(queries: sources[0], keys: sources[1], values: sources[2], options)
    }
    if queries.size(2) != keys.size(2) {
        let group = queries.size(2) / keys.size(2)
        return attention(
            queries: queries, keys: keys.repeatingHeads(group), values: values.repeatingHeads(group), options)
    }
    let (q, k, v) = (sources[0].detached, sources[1].detached, sources[2].detached)
    if options.softCap != nil || options.mask?.isTracked ?? false {
        if isTracked || q.size(0) == 1 { return plainAttention(sources[0], sources[1], sources[2], options) }
        // Row by row, so that a row's bits do not depend on its neighbours.
        return concatenated(
            (0..<q.size(0)).map { row in
                var options = options
                if let mask = options.mask, mask.rank == 4, mask.size(0) > 1 { options.mask = mask.row(row) }
                return plainAttention(q.row(row), k.row(row), v.row(row), options)
            }, axis: 0)
    }
    options.mask = options.mask?.detached.converted(to: .float32)
    let (output, logSumExp) = sharedBackend(q, k, v).attention(queries: q, keys: k, values: v, options)
    return output.recorded(from: sources) { [options] gradient in
        let result = gradient.backend.attentionBackward(
            gradient, queries: q, keys: k, values: v, output: output, logSumExp: logSumExp, options)
        return [result.queries, result.keys, result.values]
    }
}

extension AttentionOptions {
    /// Whether one query's attention needs nothing but a mask by row and key.
    fileprivate func allowsStep(keyTokens: Int, batch: Int) -> Bool {
        guard let mask else { return keyTokens > 0 }
        return keyTokens > 0 && broadcastShape(mask.shape, [batch, 1, 1, keyTokens]) == [batch, 1, 1, keyTokens]
    }
}

extension Tensor {
    fileprivate func row(_ index: Int) -> Tensor { narrowed(0, start: index, count: 1) }

    /// Every head of `[batch, tokens, heads, headDimension]` `count` times in a row.
    public func repeatingHeads(_ count: Int) -> Tensor {
        if count == 1 { return self }
        return unsqueezed(3).expanded(to: [size(0), size(1), size(2), count, size(3)]).flattened(2...3)
    }
}

/// Attention with a soft cap or a differentiable mask, from plain operations.
private func plainAttention(
    _ queries: Tensor, _ keys: Tensor, _ values: Tensor, _ options: AttentionOptions
) -> Tensor {
    let (q, k, v) = (queries.transposed(1, 2), keys.transposed(1, 2), values.transposed(1, 2))
    var scores = matmul(q, k.transposed(2, 3)) * Double(options.scale)
    if let cap = options.softCap { scores = softCap(scores, cap) }
    if let mask = options.mask { scores = scores + mask.converted(to: .float32) }
    if options.isCausal {
        let rows = Tensor.indices(q.size(2)).reshaped([-1, 1]) + Double(k.size(2) - q.size(2))
        let isVisible = compare(.lessOrEqual, Tensor.indices(k.size(2)), rows)
        scores = select(isVisible, scores, Tensor.full(-.infinity, shape: []))
    }
    return matmul(softmax(scores), v).transposed(1, 2).contiguous()
}
