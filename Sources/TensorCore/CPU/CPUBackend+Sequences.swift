internal import CKernels

/// The kernels of models that go through tokens in order.
extension CPUBackend {
    public func attentionStep(
        queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> Tensor {
        let (q, k, v) = (queries.withUnitChannelStride(), keys.withUnitChannelStride(), values.withUnitChannelStride())
        let out = Tensor.empty(q.shape)
        let mask = options.mask?.expanded(to: [q.size(0), 1, 1, k.size(1)])
        var shape = tk_attention_step_shape(
            batch: q.size(0), heads: q.size(2), key_heads: k.size(2), keys: k.size(1), head_dimension: q.size(3),
            scale: options.scale, soft_cap: options.softCap ?? 0, q_b: q.layout.strides[0], q_h: q.layout.strides[2],
            k_b: k.layout.strides[0], k_t: k.layout.strides[1], k_h: k.layout.strides[2], v_b: v.layout.strides[0],
            v_t: v.layout.strides[1], v_h: v.layout.strides[2], mask: mask.map { UnsafePointer($0.pointer()) },
            mask_b: mask?.layout.strides[0] ?? 0, mask_k: mask?.layout.strides[3] ?? 0)
        return kernel(into: out, from: q, k, v, mask) {
            withScratch(tk_attention_step_scratch(&shape)) { scratch in
                tk_attention_step_f32(out.pointer(), nil, q.pointer(), k.pointer(), v.pointer(), &shape, scratch)
            }
        }
    }

    public func rotary(_ x: Tensor, cosines: Tensor, sines: Tensor, isReversed: Bool) -> Tensor {
        let x = x.withUnitChannelStride()
        let out = Tensor.empty(x.shape)
        var shape = tk_rotary_shape(
            batch: x.size(0), tokens: x.size(1), heads: x.size(2), head_dimension: x.size(3), pairs: cosines.size(2),
            x_b: x.layout.strides[0], x_t: x.layout.strides[1], x_h: x.layout.strides[2],
            table_b: cosines.size(0) == 1 ? 0 : cosines.size(1) * cosines.size(2), reversed: isReversed)
        return kernel(into: out, from: x, cosines, sines) {
            tk_rotary_f32(out.pointer(), x.pointer(), cosines.pointer(), sines.pointer(), &shape)
        }
    }

    public func selectiveScan(_ inputs: ScanInputs, initial: Tensor?) -> (output: Tensor, state: Tensor) {
        let x = inputs.mapped { $0.contiguous() }
        let (initial, states) = (initial?.contiguous(), x.decay.size(1))
        let (batch, tokens, channels) = (x.input.size(0), x.input.size(1), x.input.size(2))
        let output = Tensor.empty(x.input.shape)
        let state = Tensor.empty([batch, channels, states])
        var shape = tk_scan_shape(batch: batch, tokens: tokens, channels: channels, states: states)
        _ = kernel(into: state, from: initial) {
            tk_selective_scan_forward_f32(
                output.pointer(), state.pointer(), x.input.pointer(), x.timeStep.pointer(), x.decay.pointer(),
                x.inputMatrix.pointer(), x.outputMatrix.pointer(), x.skip.pointer(), initial?.pointer(), &shape)
        }
        withExtendedLifetime((x, output)) {}
        return (output, state)
    }

    public func selectiveScanBackward(_ gradient: Tensor, _ inputs: ScanInputs, initial: Tensor?) -> ScanInputs {
        let x = inputs.mapped { $0.contiguous() }
        let (gradient, initial) = (gradient.contiguous(), initial?.contiguous())
        if gradient.count == 0 || x.decay.count == 0 {
            return x.mapped { full(0, shape: $0.shape, dtype: .float32) }
        }
        let result = x.mapped { Tensor.empty($0.shape) }
        var shape = tk_scan_shape(
            batch: x.input.size(0), tokens: x.input.size(1), channels: x.input.size(2), states: x.decay.size(1))
        var out = tk_scan_gradients(
            u: result.input.pointer(), delta: result.timeStep.pointer(), a: result.decay.pointer(),
            b: result.inputMatrix.pointer(), c: result.outputMatrix.pointer(), d: result.skip.pointer())
        _ = kernel(into: result.input, from: gradient, initial) {
            withScratch(tk_selective_scan_backward_scratch(&shape)) { scratch in
                tk_selective_scan_backward_f32(
                    &out, gradient.pointer(), x.input.pointer(), x.timeStep.pointer(), x.decay.pointer(),
                    x.inputMatrix.pointer(), x.outputMatrix.pointer(), x.skip.pointer(), initial?.pointer(), &shape,
                    scratch)
            }
        }
        withExtendedLifetime((x, result)) {}
        return result
    }
}
