extension Composed {
    // MARK: Softmax over the last dimension

    static func softmax(_ backend: any Backend, _ x: Tensor, logarithm: Bool) -> Tensor {
        let last = [x.rank - 1]
        let shifted = x - backend.reduce(.maximum, x, axes: last)
        let exponentials = backend.unary(.exponential, shifted)
        let total = backend.reduce(.sum, exponentials, axes: last)
        return logarithm ? shifted - backend.unary(.logarithm, total) : exponentials / total
    }

    static func softmaxBackward(_ backend: any Backend, _ gradient: Tensor, y: Tensor, logarithm: Bool) -> Tensor {
        let last = [y.rank - 1]
        if logarithm {
            return gradient - backend.unary(.exponential, y) * backend.reduce(.sum, gradient, axes: last)
        }
        return y * (gradient - backend.reduce(.sum, gradient * y, axes: last))
    }

    // MARK: Attention with the score matrix in memory

    package static func attention(
        _ backend: any Backend, queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> (output: Tensor, logSumExp: Tensor) {
        let scores = scores(backend, queries, keys, options)
        // A query that sees no key has a largest score of -infinity; its weights become 0 instead of 0 / 0.
        let largest = finite(backend, backend.reduce(.maximum, scores, axes: [3]))
        let exponentials = backend.unary(.exponential, scores - largest)
        let total = backend.reduce(.sum, exponentials, axes: [3])
        let weights = exponentials / backend.binary(.maximum, total, scalar: Double(Float.leastNormalMagnitude))
        let output = backend.matmul(weights, headsFirst(values))
        let logSumExp = backend.unary(.logarithm, total) + largest
        return (headsFirst(output).contiguous(), logSumExp.reshaped(Array(scores.shape.dropLast())))
    }

    package static func attentionBackward(
        _ backend: any Backend, _ gradient: Tensor, queries: Tensor, keys: Tensor, values: Tensor, output: Tensor,
        logSumExp: Tensor, _ options: AttentionOptions
    ) -> (queries: Tensor, keys: Tensor, values: Tensor) {
        let scores = scores(backend, queries, keys, options)
        let weights = backend.unary(.exponential, scores - finite(backend, logSumExp).unsqueezed(-1))
        let outer = headsFirst(gradient)
        let weightGradient = backend.matmul(outer, headsFirst(values).transposed(2, 3))
        let inner = backend.reduce(.sum, outer * headsFirst(output), axes: [3])
        let scoreGradient = weights * (weightGradient - inner) * Double(options.scale)
        return (
            headsFirst(backend.matmul(scoreGradient, headsFirst(keys))),
            headsFirst(backend.matmul(scoreGradient.transposed(2, 3), headsFirst(queries))),
            headsFirst(backend.matmul(weights.transposed(2, 3), outer))
        )
    }

    /// `scale * queries · keysᵀ + mask`: `[batch, heads, queryTokens, keyTokens]`, -infinity where causality forbids.
    private static func scores(
        _ backend: any Backend, _ queries: Tensor, _ keys: Tensor, _ options: AttentionOptions
    ) -> Tensor {
        let products = backend.matmul(headsFirst(queries), headsFirst(keys).transposed(2, 3))
        var scores = products * Double(options.scale)
        if let mask = options.mask { scores = scores + mask }
        guard options.isCausal else { return scores }
        let (queryTokens, keyTokens) = (queries.size(1), keys.size(1))
        let rows = counting(backend, queryTokens).reshaped([queryTokens, 1]) + Double(keyTokens - queryTokens)
        let isVisible = backend.compare(.lessOrEqual, counting(backend, keyTokens), rows)
        return backend.select(isVisible, scores, backend.full(-.infinity, shape: [], dtype: .float32))
    }

    private static func finite(_ backend: any Backend, _ x: Tensor) -> Tensor {
        backend.binary(.maximum, x, scalar: -Double(Float.greatestFiniteMagnitude))
    }

    /// `[batch, tokens, heads, d]` to `[batch, heads, tokens, d]`, and back.
    private static func headsFirst(_ x: Tensor) -> Tensor { x.transposed(1, 2) }
}

extension Composed {
    static func attentionStep(
        _ backend: any Backend, queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> Tensor {
        let group = queries.size(2) / keys.size(2)
        let (k, v) = (keys.repeatingHeads(group).transposed(1, 2), values.repeatingHeads(group).transposed(1, 2))
        var scores = backend.matmul(queries.transposed(1, 2), k.transposed(2, 3)) * Double(options.scale)
        if let cap = options.softCap { scores = backend.unary(.tanh, scores * (1 / Double(cap))) * Double(cap) }
        if let mask = options.mask { scores = scores + mask }
        return backend.matmul(softmax(backend, scores, logarithm: false), v).transposed(1, 2).contiguous()
    }
}
