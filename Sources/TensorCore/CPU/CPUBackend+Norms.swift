internal import CKernels

extension CPUBackend {
    public func groupNorm(
        _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics) {
        let x = x.normalizable()
        let (batch, channels) = (x.size(0), x.size(1))
        let spatial = x.shape.dropFirst(2).reduce(1, *)
        let y = Tensor.empty(like: x)
        let mean = Tensor.empty([batch, groups])
        let deviation = Tensor.empty([batch, groups])
        let (w, b) = (weight?.contiguous(), bias?.contiguous())
        _ = kernel(into: y, from: x, w, b) {
            if x.layout.isChannelsLast {
                withScratch(tk_groupnorm_nhwc_forward_scratch(batch, spatial, channels, groups)) { scratch in
                    tk_groupnorm_nhwc_forward_f32(
                        y.pointer(), mean.pointer(), deviation.pointer(), x.pointer(), w?.pointer(), b?.pointer(),
                        batch, spatial, channels, groups, epsilon, silu, scratch)
                }
            } else {
                tk_groupnorm_nchw_forward_f32(
                    y.pointer(), mean.pointer(), deviation.pointer(), x.pointer(), w?.pointer(), b?.pointer(),
                    batch, channels, spatial, groups, epsilon, silu)
            }
        }
        return (y, NormStatistics(mean: mean, reciprocalDeviation: deviation))
    }

    public func roundedGroupNorm(
        _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics) {
        let x = x.normalizable()
        guard x.layout.isChannelsLast else {
            let (y, statistics) = groupNorm(
                x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu)
            return (convert(y, to: .bfloat16), statistics)
        }
        let (batch, channels) = (x.size(0), x.size(1))
        let spatial = x.shape.dropFirst(2).reduce(1, *)
        let y = Tensor.empty(like: x, dtype: .bfloat16)
        let mean = Tensor.empty([batch, groups])
        let deviation = Tensor.empty([batch, groups])
        let (w, b) = (weight?.contiguous(), bias?.contiguous())
        _ = kernel(into: y, from: x, w, b) {
            withScratch(tk_groupnorm_nhwc_forward_scratch(batch, spatial, channels, groups)) { scratch in
                tk_groupnorm_nhwc_forward_bf16(
                    y.pointer(), mean.pointer(), deviation.pointer(), x.pointer(), w?.pointer(), b?.pointer(), batch,
                    spatial, channels, groups, epsilon, silu, scratch)
            }
        }
        return (y, NormStatistics(mean: mean, reciprocalDeviation: deviation))
    }

    public func groupNormBackward(
        _ gradient: Tensor, x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, silu: Bool,
        statistics: NormStatistics
    ) -> NormGradients {
        let x = x.normalizable()
        let gradient = gradient.layout.matches(x.layout) ? gradient : copy(gradient, order: x.layout.memoryOrder)
        let (batch, channels) = (x.size(0), x.size(1))
        let spatial = x.shape.dropFirst(2).reduce(1, *)
        if x.count == 0 { return zeroGradients(x, channels, hasWeight: weight != nil, hasBias: bias != nil) }
        let dx = Tensor.empty(like: x)
        let dw = weight.map { _ in Tensor.empty([channels]) }
        let db = bias.map { _ in Tensor.empty([channels]) }
        let (w, b) = (weight?.contiguous(), bias?.contiguous())
        let (mean, deviation) = (statistics.mean, statistics.reciprocalDeviation)
        _ = kernel(into: dx, from: gradient, x, w, b, mean, deviation) {
            if x.layout.isChannelsLast {
                withScratch(tk_groupnorm_nhwc_backward_scratch(batch, spatial, channels, groups)) { scratch in
                    tk_groupnorm_nhwc_backward_f32(
                        dx.pointer(), dw?.pointer(), db?.pointer(), gradient.pointer(), x.pointer(), mean.pointer(),
                        deviation.pointer(), w?.pointer(), b?.pointer(), batch, spatial, channels, groups, silu,
                        scratch)
                }
            } else {
                withScratch(tk_groupnorm_nchw_backward_scratch(batch, channels, spatial, groups)) { scratch in
                    tk_groupnorm_nchw_backward_f32(
                        dx.pointer(), dw?.pointer(), db?.pointer(), gradient.pointer(), x.pointer(), mean.pointer(),
                        deviation.pointer(), w?.pointer(), b?.pointer(), batch, channels, spatial, groups, silu,
                        scratch)
                }
            }
        }
        return NormGradients(input: dx, weight: dw, bias: db)
    }

    public func layerNorm(
        _ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float
    ) -> (y: Tensor, statistics: NormStatistics) {
        let x = x.contiguous()
        let columns = x.size(-1)
        let rows = x.count / max(columns, 1)
        let y = Tensor.empty(x.shape)
        let mean = Tensor.empty([rows])
        let deviation = Tensor.empty([rows])
        let (w, b) = (weight?.contiguous(), bias?.contiguous())
        _ = kernel(into: y, from: x, w, b) {
            tk_layernorm_forward_f32(
                y.pointer(), mean.pointer(), deviation.pointer(), x.pointer(), w?.pointer(), b?.pointer(), rows,
                columns, epsilon)
        }
        return (y, NormStatistics(mean: mean, reciprocalDeviation: deviation))
    }

    public func roundedLayerNorm(_ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float) -> Tensor {
        let x = x.contiguous()
        let columns = x.size(-1)
        let y = Tensor.empty(x.shape, dtype: .bfloat16)
        let (w, b) = (weight?.contiguous(), bias?.contiguous())
        return kernel(into: y, from: x, w, b) {
            tk_layernorm_forward_bf16(
                y.pointer(), x.pointer(), w?.pointer(), b?.pointer(), x.count / max(columns, 1), columns, epsilon)
        }
    }

    public func layerNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, hasBias: Bool, statistics: NormStatistics
    ) -> NormGradients {
        let (x, gradient) = (x.contiguous(), gradient.contiguous())
        let columns = x.size(-1)
        let rows = x.count / max(columns, 1)
        if x.count == 0 { return zeroGradients(x, columns, hasWeight: weight != nil, hasBias: hasBias) }
        let dx = Tensor.empty(x.shape)
        let dw = weight.map { _ in Tensor.empty([columns]) }
        let db = hasBias ? Tensor.empty([columns]) : nil
        let w = weight?.contiguous()
        let (mean, deviation) = (statistics.mean, statistics.reciprocalDeviation)
        _ = kernel(into: dx, from: gradient, x, w, mean, deviation) {
            withScratch(tk_layernorm_backward_scratch(rows, columns)) { scratch in
                tk_layernorm_backward_f32(
                    dx.pointer(), dw?.pointer(), db?.pointer(), gradient.pointer(), x.pointer(), mean.pointer(),
                    deviation.pointer(), w?.pointer(), rows, columns, scratch)
            }
        }
        return NormGradients(input: dx, weight: dw, bias: db)
    }

    public func rmsNorm(_ x: Tensor, weight: Tensor?, epsilon: Float) -> (y: Tensor, statistics: NormStatistics) {
        let x = x.contiguous()
        let columns = x.size(-1)
        let rows = x.count / max(columns, 1)
        let y = Tensor.empty(x.shape)
        let deviation = Tensor.empty([rows])
        let w = weight?.contiguous()
        _ = kernel(into: y, from: x, w) {
            tk_rmsnorm_forward_f32(
                y.pointer(), deviation.pointer(), x.pointer(), w?.pointer(), rows, columns, epsilon)
        }
        return (y, NormStatistics(mean: Tensor.empty([0]), reciprocalDeviation: deviation))
    }

    public func rmsNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, statistics: NormStatistics
    ) -> NormGradients {
        let (x, gradient) = (x.contiguous(), gradient.contiguous())
        let columns = x.size(-1)
        let rows = x.count / max(columns, 1)
        if x.count == 0 { return zeroGradients(x, columns, hasWeight: weight != nil, hasBias: false) }
        let dx = Tensor.empty(x.shape)
        let dw = weight.map { _ in Tensor.empty([columns]) }
        let w = weight?.contiguous()
        let deviation = statistics.reciprocalDeviation
        _ = kernel(into: dx, from: gradient, x, w, deviation) {
            withScratch(tk_rmsnorm_backward_scratch(rows, columns)) { scratch in
                tk_rmsnorm_backward_f32(
                    dx.pointer(), dw?.pointer(), gradient.pointer(), x.pointer(), deviation.pointer(), w?.pointer(),
                    rows, columns, scratch)
            }
        }
        return NormGradients(input: dx, weight: dw, bias: nil)
    }

    /// What an empty batch gives: kernels do not run for it.
    private func zeroGradients(_ x: Tensor, _ channels: Int, hasWeight: Bool, hasBias: Bool) -> NormGradients {
        let zeros = full(0, shape: [channels], dtype: .float32)
        return NormGradients(input: x, weight: hasWeight ? zeros : nil, bias: hasBias ? zeros : nil)
    }
}

extension Tensor {
    /// Channels-last or row-major, whichever it is; row-major when neither.
    fileprivate func normalizable() -> Tensor {
        layout.isChannelsLast || layout.isContiguous ? self : (rank >= 3 ? channelsLast() : contiguous())
    }
}
