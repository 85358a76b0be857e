/// Shapes of products and fused kernels.
extension ShapeBackend {
    // MARK: Products

    public func matmul(_ a: Tensor, _ b: Tensor) -> Tensor { tensor(a.shape.dropLast() + [b.size(-1)]) }

    public func linear(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
        tensor(x.shape.dropLast() + [weight.size(0)])
    }

    public func convolution(_ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry) -> Tensor {
        let sizes = (0..<2).map {
            geometry.outputSize(input: x.size(2 + $0), kernel: weight.size(2 + $0), dimension: $0)
        }
        return made(Layout(shape: [x.size(0), weight.size(0)] + sizes, order: [0, 2, 3, 1]))
    }

    public func convolutionInputGradient(
        _ gradient: Tensor, weight: Tensor, inputShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor { made(Layout(shape: inputShape, order: [0, 2, 3, 1])) }

    public func convolutionWeightGradient(
        _ gradient: Tensor, x: Tensor, weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor { tensor(weightShape) }

    // MARK: Fused

    public func softmax(_ x: Tensor, logarithm: Bool) -> Tensor { made(like: x) }
    public func softmaxBackward(_ gradient: Tensor, y: Tensor, logarithm: Bool) -> Tensor { made(like: y) }

    /// Nothing reads the statistics of a norm but its backward pass.
    private var statistics: NormStatistics { NormStatistics(mean: tensor([0]), reciprocalDeviation: tensor([0])) }

    private func normGradients(_ x: Tensor, _ weight: Tensor?, _ bias: Tensor?) -> NormGradients {
        NormGradients(input: made(like: x), weight: weight.map { made(like: $0) }, bias: bias.map { made(like: $0) })
    }

    public func groupNorm(
        _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics) { (made(like: x), statistics) }

    public func groupNormBackward(
        _ gradient: Tensor, x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, silu: Bool,
        statistics: NormStatistics
    ) -> NormGradients { normGradients(x, weight, bias) }

    public func layerNorm(
        _ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float
    ) -> (y: Tensor, statistics: NormStatistics) { (made(like: x), statistics) }

    public func layerNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, hasBias: Bool, statistics: NormStatistics
    ) -> NormGradients { normGradients(x, weight, hasBias ? weight : nil) }

    public func rmsNorm(_ x: Tensor, weight: Tensor?, epsilon: Float) -> (y: Tensor, statistics: NormStatistics) {
        (made(like: x), statistics)
    }

    public func rmsNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, statistics: NormStatistics
    ) -> NormGradients { normGradients(x, weight, nil) }

    public func geglu(_ x: Tensor) -> Tensor { tensor(x.shape.dropLast() + [x.size(-1) / 2]) }
    public func gegluBackward(_ gradient: Tensor, x: Tensor) -> Tensor { made(like: x) }
    public func swiglu(gate: Tensor, up: Tensor) -> Tensor { made(like: gate) }
    public func swigluBackward(_ gradient: Tensor, gate: Tensor, up: Tensor) -> (gate: Tensor, up: Tensor) {
        (made(like: gate), made(like: up))
    }

    public func attention(
        queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> (output: Tensor, logSumExp: Tensor) {
        (
            tensor(queries.shape.dropLast() + [values.size(3)]),
            tensor([queries.size(0), queries.size(2), queries.size(1)])
        )
    }

    public func attentionBackward(
        _ gradient: Tensor, queries: Tensor, keys: Tensor, values: Tensor, output: Tensor, logSumExp: Tensor,
        _ options: AttentionOptions
    ) -> (queries: Tensor, keys: Tensor, values: Tensor) {
        (made(like: queries), made(like: keys), made(like: values))
    }

    public func attentionStep(queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions) -> Tensor {
        tensor(queries.shape.dropLast() + [values.size(3)])
    }

    public func rotary(_ x: Tensor, cosines: Tensor, sines: Tensor, isReversed: Bool) -> Tensor { made(like: x) }

    public func selectiveScan(_ inputs: ScanInputs, initial: Tensor?) -> (output: Tensor, state: Tensor) {
        let x = inputs.input
        return (tensor(x.shape), tensor([x.size(0), x.size(2), inputs.decay.size(1)]))
    }

    public func selectiveScanBackward(_ gradient: Tensor, _ inputs: ScanInputs, initial: Tensor?) -> ScanInputs {
        inputs.mapped { made(like: $0) }
    }

    // MARK: Resampling

    public func resample(_ x: Tensor, _ resampling: Resampling) -> Tensor {
        let size: [Int] =
            switch resampling {
            case .nearest(let factor): [x.size(2) * factor, x.size(3) * factor]
            case .bilinear(let height, let width): [height, width]
            case .averagePool(let size): [x.size(2) / size, x.size(3) / size]
            }
        return made(Layout(shape: [x.size(0), x.size(1)] + size, order: [0, 2, 3, 1]))
    }

    public func resampleBackward(_ gradient: Tensor, inputShape: [Int], _ resampling: Resampling) -> Tensor {
        made(Layout(shape: inputShape, order: [0, 2, 3, 1]))
    }
}
