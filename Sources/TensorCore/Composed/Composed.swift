/// The fused kernels made of plain ones.
///
/// Each function computes what the requirement of `Backend` with its name promises, by plain kernels only: data
/// movement, elementwise operations, reductions and `matmul`. They are the defaults of the protocol, so a backend can
/// start small, and the oracles of its tests. They use memory freely: attention keeps the whole score matrix.
///
/// Arguments are detached, so the operators on tensors below record nothing.
public enum Composed {}

extension Backend {
    public func copiedToHost(_ x: Tensor) -> Tensor { x }

    public func copiedFromHost(_ x: Tensor) -> Tensor { x }

    public func linearCombination(_ alpha: Double, _ x: Tensor, _ beta: Double, _ y: Tensor) -> Tensor {
        alpha * x + beta * y
    }

    public func linear(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
        Composed.linear(self, x, weight: weight, bias: bias)
    }

    public func linears(_ x: Tensor, _ maps: [AffineMap]) -> [Tensor] {
        maps.map { linear(x, weight: $0.weight, bias: $0.bias) }
    }

    public func softmax(_ x: Tensor, logarithm: Bool) -> Tensor {
        Composed.softmax(self, x, logarithm: logarithm)
    }

    public func softmaxBackward(_ gradient: Tensor, y: Tensor, logarithm: Bool) -> Tensor {
        Composed.softmaxBackward(self, gradient, y: y, logarithm: logarithm)
    }

    public func groupNorm(
        _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics) {
        Composed.groupNorm(self, x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu)
    }

    public func roundedGroupNorm(
        _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics) {
        let (y, statistics) = groupNorm(
            x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu)
        return (convert(y, to: .bfloat16), statistics)
    }

    public func groupNormBackward(
        _ gradient: Tensor, x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, silu: Bool,
        statistics: NormStatistics
    ) -> NormGradients {
        Composed.groupNormBackward(
            self, gradient, x: x, groups: groups, weight: weight, bias: bias, silu: silu, statistics: statistics)
    }

    public func layerNorm(
        _ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float
    ) -> (y: Tensor, statistics: NormStatistics) {
        Composed.layerNorm(self, x, weight: weight, bias: bias, epsilon: epsilon)
    }

    public func roundedLayerNorm(_ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float) -> Tensor {
        convert(layerNorm(x, weight: weight, bias: bias, epsilon: epsilon).y, to: .bfloat16)
    }

    public func layerNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, hasBias: Bool, statistics: NormStatistics
    ) -> NormGradients {
        Composed.layerNormBackward(self, gradient, x: x, weight: weight, hasBias: hasBias, statistics: statistics)
    }

    public func rmsNorm(_ x: Tensor, weight: Tensor?, epsilon: Float) -> (y: Tensor, statistics: NormStatistics) {
        Composed.rmsNorm(self, x, weight: weight, epsilon: epsilon)
    }

    public func rmsNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, statistics: NormStatistics
    ) -> NormGradients {
        Composed.rmsNormBackward(self, gradient, x: x, weight: weight, statistics: statistics)
    }

    public func geglu(_ x: Tensor) -> Tensor { Composed.geglu(self, x) }

    public func roundedGEGLU(_ x: Tensor) -> Tensor { convert(geglu(x), to: .bfloat16) }

    public func linear(_ x: Tensor, weight: Tensor, bias: Tensor?, addedTo residual: Tensor) -> Tensor {
        binary(.add, residual, linear(x, weight: weight, bias: bias))
    }

    public func convolution(
        _ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry, addedTo residual: Tensor
    ) -> Tensor {
        binary(.add, residual, convolution(x, weight: weight, bias: bias, geometry))
    }

    public func roundedGEGLU(_ x: Tensor, of map: AffineMap) -> Tensor {
        roundedGEGLU(linear(x, weight: map.weight, bias: map.bias))
    }

    public func gegluBackward(_ gradient: Tensor, x: Tensor) -> Tensor {
        Composed.gegluBackward(self, gradient, x: x)
    }

    public func swiglu(gate: Tensor, up: Tensor) -> Tensor { Composed.swiglu(self, gate: gate, up: up) }

    public func swigluBackward(_ gradient: Tensor, gate: Tensor, up: Tensor) -> (gate: Tensor, up: Tensor) {
        Composed.swigluBackward(self, gradient, gate: gate, up: up)
    }

    public func attention(
        queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> (output: Tensor, logSumExp: Tensor) {
        Composed.attention(self, queries: queries, keys: keys, values: values, options)
    }

    public func attentionBackward(
        _ gradient: Tensor, queries: Tensor, keys: Tensor, values: Tensor, output: Tensor, logSumExp: Tensor,
        _ options: AttentionOptions
    ) -> (queries: Tensor, keys: Tensor, values: Tensor) {
        Composed.attentionBackward(
            self, gradient, queries: queries, keys: keys, values: values, output: output, logSumExp: logSumExp,
            options)
    }

    public func attentionStep(
        queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> Tensor {
        Composed.attentionStep(self, queries: queries, keys: keys, values: values, options)
    }

    public func rotary(_ x: Tensor, cosines: Tensor, sines: Tensor, isReversed: Bool) -> Tensor {
        Composed.rotary(self, x, cosines: cosines, sines: sines, isReversed: isReversed)
    }

    public func selectiveScan(_ inputs: ScanInputs, initial: Tensor?) -> (output: Tensor, state: Tensor) {
        Composed.selectiveScan(self, inputs, initial: initial)
    }

    public func selectiveScanBackward(_ gradient: Tensor, _ inputs: ScanInputs, initial: Tensor?) -> ScanInputs {
        Composed.selectiveScanBackward(self, gradient, inputs, initial: initial)
    }

    public func resample(_ x: Tensor, _ resampling: Resampling) -> Tensor {
        Composed.resample(self, x, resampling)
    }

    public func resampleBackward(_ gradient: Tensor, inputShape: [Int], _ resampling: Resampling) -> Tensor {
        Composed.resampleBackward(self, gradient, inputShape: inputShape, resampling)
    }

    public func adamStep(_ state: AdamState, gradient: Tensor, _ step: AdamStep) -> AdamState {
        Composed.adamStep(self, state, gradient: gradient, step)
    }
}
