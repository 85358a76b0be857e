internal import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A solver over sigmas whose latents have the form signal · x0 + deviation · noise, which the model sees as they are.
protocol VariancePreservingSolver: Solver {
    var plan: StepPlan { get }
}

extension VariancePreservingSolver {
    public var evaluations: [Evaluation] { plan.evaluations }

    public var finalSigma: Float { plan.sigmas[plan.sigmas.count - 1] }

    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        let point = plan.points[index]
        return clean * Double(point.signal) + noise * Double(point.deviation)
    }
}

/// A sigma in the variance-preserving form.
///
///     signal = 1 / sqrt(sigma² + 1),   deviation = sigma · signal,   lambda = ln signal - ln deviation
struct SigmaPoint: Sendable, Equatable {
    let signal: Float
    let deviation: Float
    /// Half the logarithm of the signal-to-noise ratio; infinite without noise.
    let lambda: Float

    init(sigma: Float) {
        signal = 1 / (sigma * sigma + 1).squareRoot()
        deviation = sigma * signal
        lambda = log(signal) - log(deviation)
    }
}

extension StepPlan {
    var points: [SigmaPoint] { sigmas.map { SigmaPoint(sigma: $0) } }
}
