internal import CKernels

extension CPUBackend {
    public func resample(_ x: Tensor, _ resampling: Resampling) -> Tensor {
        let x = x.channelsLast()
        let (n, c, h, w) = (x.size(0), x.size(1), x.size(2), x.size(3))
        let out = Tensor.empty(Layout(shape: resampling.outputShape(x.shape), order: [0, 2, 3, 1]), dtype: x.dtype)
        if case .nearest(let factor) = resampling, x.dtype == .bfloat16 {
            return kernel(into: out, from: x) {
                tk_upsample_nearest_forward_halves(out.pointer(), x.pointer(), n, h, w, c, factor, factor)
            }
        }
        return kernel(into: out, from: x) {
            switch resampling {
            case .nearest(let factor):
                tk_upsample_nearest_forward_f32(out.pointer(), x.pointer(), n, h, w, c, factor, factor)
            case .bilinear(let height, let width):
                tk_resize_bilinear_forward_f32(out.pointer(), x.pointer(), n, h, w, c, height, width)
            case .averagePool(let size):
                tk_average_pool_forward_f32(out.pointer(), x.pointer(), n, h, w, c, size, size, size, size)
            }
        }
    }

    public func resampleBackward(_ gradient: Tensor, inputShape: [Int], _ resampling: Resampling) -> Tensor {
        let gradient = gradient.channelsLast()
        let (n, c, h, w) = (inputShape[0], inputShape[1], inputShape[2], inputShape[3])
        let out = Tensor.empty(Layout(shape: inputShape, order: [0, 2, 3, 1]))
        return kernel(into: out, from: gradient) {
            switch resampling {
            case .nearest(let factor):
                tk_upsample_nearest_backward_f32(out.pointer(), gradient.pointer(), n, h, w, c, factor, factor)
            case .bilinear(let height, let width):
                tk_resize_bilinear_backward_f32(out.pointer(), gradient.pointer(), n, h, w, c, height, width)
            case .averagePool(let size):
                tk_average_pool_backward_f32(out.pointer(), gradient.pointer(), n, h, w, c, size, size, size, size)
            }
        }
    }

    public func adamStep(_ state: AdamState, gradient: Tensor, _ step: AdamStep) -> AdamState {
        let parameter = state.parameter.contiguous()
        var gradient = gradient.contiguous()
        let (first, second) = (state.firstMoment.contiguous(), state.secondMoment.contiguous())
        if step.gradientScale != 1 { gradient = binary(.multiply, gradient, scalar: step.gradientScale) }
        let result = AdamState(
            parameter: .empty(parameter.shape), firstMoment: .empty(parameter.shape),
            secondMoment: .empty(parameter.shape))
        var settings = tk_adam(
            learning_rate: Float(step.learningRate), beta1: Float(step.beta1), beta2: Float(step.beta2),
            epsilon: Float(step.epsilon), weight_decay: Float(step.weightDecay),
            bias_correction1: step.corrections.first, bias_correction2: step.corrections.second,
            decoupled: step.isDecayDecoupled, ema_decay: 0)
        _ = kernel(into: result.parameter, from: parameter, gradient, first, second) {
            tk_adam_step_f32(
                result.parameter.pointer(), result.firstMoment.pointer(), result.secondMoment.pointer(), nil,
                parameter.pointer(), first.pointer(), second.pointer(), nil,
                gradient.pointer(), parameter.count, &settings)
        }
        return result
    }
}

extension Resampling {
    /// The shape of the result for an input of shape `[batch, channels, height, width]`.
    package func outputShape(_ shape: [Int]) -> [Int] {
        switch self {
        case .nearest(let factor): [shape[0], shape[1], shape[2] * factor, shape[3] * factor]
        case .bilinear(let height, let width): [shape[0], shape[1], height, width]
        case .averagePool(let size):
            [shape[0], shape[1], (shape[2] - size) / size + 1, (shape[3] - size) / size + 1]
        }
    }
}
