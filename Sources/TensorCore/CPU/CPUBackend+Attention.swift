internal import CKernels

extension CPUBackend {
    public func attention(
        queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> (output: Tensor, logSumExp: Tensor) {
        let (q, k, v) = (queries.withUnitChannelStride(), keys.withUnitChannelStride(), values.withUnitChannelStride())
        let out = Tensor.empty(q.shape)
        let logSumExp = Tensor.empty([q.size(0), q.size(2), q.size(1)])
        let mask = options.mask?.expanded(to: [q.size(0), q.size(2), q.size(1), k.size(1)])
        var shape = attentionShape(q, k, v, out, options, mask)
        _ = kernel(into: out, from: q, k, v, mask) {
            if options.allowsBFloat16 && tk_attention_forward_bf16_fits(&shape) {
                return withScratch(tk_attention_forward_bf16_scratch(&shape)) { scratch in
                    tk_attention_forward_bf16(
                        out.pointer(), logSumExp.pointer(), q.pointer(), k.pointer(), v.pointer(), &shape, scratch)
                }
            }
            withScratch(tk_attention_forward_scratch(&shape)) { scratch in
                tk_attention_forward_f32(
                    out.pointer(), logSumExp.pointer(), q.pointer(), k.pointer(), v.pointer(), &shape, scratch)
            }
        }
        return (out, logSumExp)
    }

    public func attentionBackward(
        _ gradient: Tensor, queries: Tensor, keys: Tensor, values: Tensor, output: Tensor, logSumExp: Tensor,
        _ options: AttentionOptions
    ) -> (queries: Tensor, keys: Tensor, values: Tensor) {
        // Gradients come in the strides of their inputs, so the inputs are made dense here.
        let (q, k, v) = (queries.contiguous(), keys.contiguous(), values.contiguous())
        let gradient = gradient.contiguous()
        if q.count == 0 || k.count == 0 {
            func zeros(_ x: Tensor) -> Tensor { full(0, shape: x.shape, dtype: .float32) }
            return (zeros(q), zeros(k), zeros(v))
        }
        let (dq, dk, dv) = (Tensor.empty(q.shape), Tensor.empty(k.shape), Tensor.empty(v.shape))
        let mask = options.mask?.expanded(to: [q.size(0), q.size(2), q.size(1), k.size(1)])
        var shape = attentionShape(q, k, v, output, options, mask)
        _ = kernel(into: dq, from: gradient, q, k, v, output, logSumExp, mask) {
            if options.allowsBFloat16 && options.roundsGradients && tk_attention_forward_bf16_fits(&shape) {
                return withScratch(tk_attention_backward_bf16_scratch(&shape)) { scratch in
                    tk_attention_backward_bf16(
                        dq.pointer(), dk.pointer(), dv.pointer(), gradient.pointer(), q.pointer(), k.pointer(),
                        v.pointer(), output.pointer(), logSumExp.pointer(), &shape, scratch)
                }
            }
            withScratch(tk_attention_backward_scratch(&shape)) { scratch in
                tk_attention_backward_f32(
                    dq.pointer(), dk.pointer(), dv.pointer(), gradient.pointer(), q.pointer(), k.pointer(),
                    v.pointer(), output.pointer(), logSumExp.pointer(), &shape, nil, nil, scratch)
            }
        }
        return (dq, dk, dv)
    }

    private func attentionShape(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ out: Tensor, _ options: AttentionOptions, _ mask: Tensor?
    ) -> tk_attention_shape {
        func strides(_ x: Tensor) -> tk_attention_strides {
            tk_attention_strides(b: x.layout.strides[0], t: x.layout.strides[1], h: x.layout.strides[2])
        }
        let maskStrides = mask?.layout.strides ?? [0, 0, 0, 0]
        return tk_attention_shape(
            batch: q.size(0), heads: q.size(2), queries: q.size(1), keys: k.size(1), head_dimension: q.size(3),
            value_dimension: v.size(3), scale: options.scale, causal: options.isCausal,
            mask: mask.map { UnsafePointer($0.pointer()) }, mask_b: maskStrides[0], mask_h: maskStrides[1],
            mask_q: maskStrides[2], mask_k: maskStrides[3], q: strides(q), k: strides(k), v: strides(v),
            out: strides(out))
    }
}

extension Tensor {
    func withUnitChannelStride() -> Tensor {
        layout.strides[3] == 1 || shape[3] == 1 ? self : contiguous()
    }
}
