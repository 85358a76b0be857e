internal import CKernels

/// Gated feed-forward activations.
extension CPUBackend {
    public func geglu(_ x: Tensor) -> Tensor {
        let x = x.contiguous()
        let channels = x.size(-1) / 2
        let out = Tensor.empty(x.shape.dropLast() + [channels])
        return kernel(into: out, from: x) {
            tk_geglu_forward_f32(out.pointer(), x.pointer(), out.count / channels, channels)
        }
    }

    public func roundedGEGLU(_ x: Tensor) -> Tensor {
        let x = x.contiguous()
        let channels = x.size(-1) / 2
        let out = Tensor.empty(x.shape.dropLast() + [channels], dtype: .bfloat16)
        return kernel(into: out, from: x) {
            tk_geglu_forward_bf16(out.pointer(), x.pointer(), out.count / channels, channels)
        }
    }

    public func gegluBackward(_ gradient: Tensor, x: Tensor) -> Tensor {
        let (x, gradient) = (x.contiguous(), gradient.contiguous())
        let channels = x.size(-1) / 2
        let out = Tensor.empty(x.shape)
        return kernel(into: out, from: gradient, x) {
            tk_geglu_backward_f32(
                out.pointer(), gradient.pointer(), x.pointer(), gradient.count / channels, channels)
        }
    }

    public func swiglu(gate: Tensor, up: Tensor) -> Tensor {
        let (gate, up) = (gate.contiguous(), up.contiguous())
        let out = Tensor.empty(gate.shape)
        return kernel(into: out, from: gate, up) {
            tk_swiglu_forward_f32(out.pointer(), gate.pointer(), up.pointer(), out.count)
        }
    }

    public func swigluBackward(_ gradient: Tensor, gate: Tensor, up: Tensor) -> (gate: Tensor, up: Tensor) {
        let (gradient, gate, up) = (gradient.contiguous(), gate.contiguous(), up.contiguous())
        let gateGradient = Tensor.empty(gate.shape)
        let upGradient = Tensor.empty(up.shape)
        let result = kernel(into: gateGradient, from: gradient, gate, up, upGradient) {
            tk_swiglu_backward_f32(
                gateGradient.pointer(), upGradient.pointer(), gradient.pointer(), gate.pointer(), up.pointer(),
                gradient.count)
        }
        return (result, upGradient)
    }
}
