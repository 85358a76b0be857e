internal import CKernels

extension CPUBackend {
    public func reduce(_ reduction: Reduction, _ x: Tensor, axes: [Int]) -> Tensor {
        if axes.isEmpty { return x }
        return ReductionPlan(x, axes: axes).run { x, outer, axis, inner in
            reduceAxis(reduction, x, outer: outer, axis: axis, inner: inner)
        }
    }

    private func reduceAxis(_ reduction: Reduction, _ x: Tensor, outer: Int, axis: Int, inner: Int) -> Tensor {
        let out = Tensor.empty([outer * inner], dtype: x.dtype)
        return kernel(into: out, from: x) {
            if x.dtype == .int64 {
                tk_reduce_i64(reduction.kernel, out.pointer(), x.pointer(), outer, axis, inner)
            } else if reduction == .sum && outer == 1 && axis > 1 && inner > 1 {
                withScratch(tk_sum_rows_f32_scratch(axis, inner)) { scratch in
                    tk_sum_rows_f32(out.pointer(), x.pointer(), axis, inner, scratch)
                }
            } else {
                tk_reduce_f32(reduction.kernel, out.pointer(), x.pointer(), outer, axis, inner)
            }
        }
    }

    public func argumentMaximum(_ x: Tensor, axis: Int) -> Tensor {
        let x = x.contiguous()
        var shape = x.shape
        shape[axis] = 1
        let out = Tensor.empty(shape, dtype: .int64)
        let (outer, inner) = x.shape.around(axis)
        return kernel(into: out, from: x) {
            tk_argmax_f32(out.pointer(), x.pointer(), outer, x.shape[axis], inner)
        }
    }

    public func cumulative(_ scan: Scan, _ x: Tensor, axis: Int, reversed: Bool) -> Tensor {
        let x = x.contiguous()
        let out = Tensor.empty(x.shape)
        let (outer, inner) = x.shape.around(axis)
        return kernel(into: out, from: x) {
            switch scan {
            case .sum: tk_cumsum_f32(out.pointer(), x.pointer(), outer, x.shape[axis], inner, reversed)
            case .product: tk_cumprod_f32(out.pointer(), x.pointer(), outer, x.shape[axis], inner, reversed)
            }
        }
    }

    public func softmax(_ x: Tensor, logarithm: Bool) -> Tensor {
        let x = x.contiguous()
        let out = Tensor.empty(x.shape)
        let columns = x.size(-1)
        return kernel(into: out, from: x) {
            (logarithm ? tk_log_softmax_f32 : tk_softmax_f32)(
                out.pointer(), x.pointer(), x.count / columns, columns)
        }
    }

    public func softmaxBackward(_ gradient: Tensor, y: Tensor, logarithm: Bool) -> Tensor {
        let gradient = gradient.contiguous()
        let out = Tensor.empty(y.shape)
        let columns = y.size(-1)
        return kernel(into: out, from: gradient, y) {
            (logarithm ? tk_log_softmax_backward_f32 : tk_softmax_backward_f32)(
                out.pointer(), gradient.pointer(), y.pointer(), y.count / columns, columns)
        }
    }
}

extension Reduction {
    fileprivate var kernel: tk_reduce_op {
        switch self {
        case .sum: TK_REDUCE_SUM
        case .maximum: TK_REDUCE_MAX
        case .minimum: TK_REDUCE_MIN
        case .product: TK_REDUCE_PROD
        }
    }
}
