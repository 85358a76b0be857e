extension Composed {
    /// `y = x · weightᵀ + bias`.
    static func linear(_ backend: any Backend, _ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
        let rows = x.reshaped([-1, weight.size(1)])
        let product = backend.matmul(rows, weight.converted(to: .float32).transposed(0, 1))
        return (bias.map { product + $0 } ?? product).reshaped(x.shape.dropLast() + [weight.size(0)])
    }

    /// One step of Adam or AdamW, in PyTorch's order of operations.
    ///
    ///     m' = m + (1 - beta1) (g - m)
    ///     v' = beta2 v + (1 - beta2) g²
    ///     p' = p - learningRate / (1 - beta1ⁱ) * m' / (sqrt(v') / sqrt(1 - beta2ⁱ) + epsilon)
    static func adamStep(
        _ backend: any Backend, _ state: AdamState, gradient: Tensor, _ step: AdamStep
    ) -> AdamState {
        var parameter = state.parameter
        var gradient = gradient * step.gradientScale
        if step.isDecayDecoupled {
            parameter = parameter * (1 - step.learningRate * step.weightDecay)
        } else {
            gradient = gradient + step.weightDecay * parameter
        }
        let first = state.firstMoment + (1 - step.beta1) * (gradient - state.firstMoment)
        let second = step.beta2 * state.secondMoment + (1 - step.beta2) * (gradient * gradient)
        let correction1 = 1 - raised(step.beta1, to: step.index)
        let correction2 = 1 - raised(step.beta2, to: step.index)
        let deviation = backend.unary(.squareRoot, second) / correction2.squareRoot() + step.epsilon
        return AdamState(
            parameter: parameter - (step.learningRate / correction1) * first / deviation, firstMoment: first,
            secondMoment: second)
    }

    private static func raised(_ base: Double, to exponent: Int) -> Double {
        (0..<exponent).reduce(1) { product, _ in product * base }
    }
}
