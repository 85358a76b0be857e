extension Composed {
    // MARK: Group norm

    static func groupNorm(
        _ backend: any Backend, _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics) {
        let rows = x.reshaped([x.size(0), groups, x.count / max(x.size(0) * groups, 1)])
        let (normalized, mean, deviation) = normalize(backend, rows, epsilon)
        let y = affine(normalized.reshaped(x.shape), weight, bias, channelAxis: 1)
        let statistics = NormStatistics(
            mean: mean.reshaped([x.size(0), groups]), reciprocalDeviation: deviation.reshaped([x.size(0), groups]))
        return (silu ? backend.unary(.silu, y) : y, statistics)
    }

    static func groupNormBackward(
        _ backend: any Backend, _ gradient: Tensor, x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?,
        silu: Bool, statistics: NormStatistics
    ) -> NormGradients {
        let rowShape = [x.size(0), groups, x.count / max(x.size(0) * groups, 1)]
        let mean = statistics.mean.reshaped([x.size(0), groups, 1])
        let deviation = statistics.reciprocalDeviation.reshaped([x.size(0), groups, 1])
        let normalized = ((x.reshaped(rowShape) - mean) * deviation).reshaped(x.shape)
        var gradient = gradient
        if silu {
            let y = affine(normalized, weight, bias, channelAxis: 1)
            gradient = backend.unaryBackward(.silu, gradient: gradient, x: y, y: backend.unary(.silu, y))
        }
        let others = (0..<x.rank).filter { $0 != 1 }
        let inner = affine(gradient, weight, nil, channelAxis: 1).reshaped(rowShape)
        let rows = normalized.reshaped(rowShape)
        let dx = deviation * (inner - average(backend, inner) - rows * average(backend, inner * rows))
        return NormGradients(
            input: dx.reshaped(x.shape),
            weight: weight.map { backend.reduce(.sum, gradient * normalized, axes: others).reshaped($0.shape) },
            bias: bias.map { backend.reduce(.sum, gradient, axes: others).reshaped($0.shape) })
    }

    // MARK: Layer norm

    static func layerNorm(
        _ backend: any Backend, _ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float
    ) -> (y: Tensor, statistics: NormStatistics) {
        let (normalized, mean, deviation) = normalize(backend, x, epsilon)
        return (
            affine(normalized, weight, bias, channelAxis: x.rank - 1),
            NormStatistics(mean: mean.reshaped([mean.count]), reciprocalDeviation: deviation.reshaped([mean.count]))
        )
    }

    static func layerNormBackward(
        _ backend: any Backend, _ gradient: Tensor, x: Tensor, weight: Tensor?, hasBias: Bool,
        statistics: NormStatistics
    ) -> NormGradients {
        let rowShape: [Int] = x.shape.dropLast() + [1]
        let deviation = statistics.reciprocalDeviation.reshaped(rowShape)
        let normalized = (x - statistics.mean.reshaped(rowShape)) * deviation
        let inner = affine(gradient, weight, nil, channelAxis: x.rank - 1)
        let dx = deviation * (inner - average(backend, inner) - normalized * average(backend, inner * normalized))
        return NormGradients(
            input: dx, weight: weight.map { _ in columnSums(backend, gradient * normalized) },
            bias: hasBias ? columnSums(backend, gradient) : nil)
    }

    // MARK: RMS norm

    static func rmsNorm(
        _ backend: any Backend, _ x: Tensor, weight: Tensor?, epsilon: Float
    ) -> (y: Tensor, statistics: NormStatistics) {
        let deviation = backend.unary(.reciprocalSquareRoot, average(backend, x * x) + Double(epsilon))
        return (
            affine(x * deviation, weight, nil, channelAxis: x.rank - 1),
            NormStatistics(
                mean: backend.full(0, shape: [0], dtype: .float32),
                reciprocalDeviation: deviation.reshaped([deviation.count]))
        )
    }

    static func rmsNormBackward(
        _ backend: any Backend, _ gradient: Tensor, x: Tensor, weight: Tensor?, statistics: NormStatistics
    ) -> NormGradients {
        let deviation = statistics.reciprocalDeviation.reshaped(x.shape.dropLast() + [1])
        let normalized = x * deviation
        let inner = affine(gradient, weight, nil, channelAxis: x.rank - 1)
        let dx = deviation * (inner - normalized * average(backend, inner * normalized))
        return NormGradients(
            input: dx, weight: weight.map { _ in columnSums(backend, gradient * normalized) }, bias: nil)
    }

    // MARK: Steps that the norms share

    /// `(x - mean) / sqrt(variance + epsilon)` over the last dimension, whose statistics keep it with size 1.
    private static func normalize(
        _ backend: any Backend, _ x: Tensor, _ epsilon: Float
    ) -> (normalized: Tensor, mean: Tensor, reciprocalDeviation: Tensor) {
        let mean = average(backend, x)
        let centred = x - mean
        let variance = average(backend, centred * centred)
        let deviation = backend.unary(.reciprocalSquareRoot, variance + Double(epsilon))
        return (centred * deviation, mean, deviation)
    }

    /// The mean of the last dimension, which keeps size 1.
    private static func average(_ backend: any Backend, _ x: Tensor) -> Tensor {
        backend.reduce(.sum, x, axes: [x.rank - 1]) / Double(max(x.size(-1), 1))
    }

    /// `x * weight + bias` with one weight a channel.
    private static func affine(_ x: Tensor, _ weight: Tensor?, _ bias: Tensor?, channelAxis: Int) -> Tensor {
        var shape = [Int](repeating: 1, count: x.rank)
        shape[channelAxis] = x.size(channelAxis)
        let scaled = weight.map { x * $0.reshaped(shape) } ?? x
        return bias.map { scaled + $0.reshaped(shape) } ?? scaled
    }

    /// `[..., channels]` to `[channels]`.
    private static func columnSums(_ backend: any Backend, _ x: Tensor) -> Tensor {
        backend.reduce(.sum, x, axes: Array(0..<(x.rank - 1))).reshaped([x.size(-1)])
    }
}
