internal import TensorCore

/// A solver whose latents have the form x0 + sigma · noise (k-diffusion's), which the model sees divided by
/// `sqrt(sigma² + 1)`.
protocol VarianceExplodingSolver: Solver {
    var plan: StepPlan { get }
}

extension VarianceExplodingSolver {
    public var finalSigma: Float { plan.sigmas[plan.sigmas.count - 1] }

    public func modelInput(_ latents: Tensor, at index: Int) -> Tensor {
        let sigma = evaluations[index].sigma
        return latents / Double((sigma * sigma + 1).squareRoot())
    }

    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        clean + noise * Double(evaluations[index].sigma)
    }
}

extension StepPlan {
    /// The deviation of the latents that a trajectory starts from.
    ///
    /// The largest sigma, except for leading spacing, which does not start at pure noise: `sqrt(sigma² + 1)`. Follows
    /// `init_noise_sigma` of diffusers' EulerDiscreteScheduler and its like.
    func explodingNoiseScale(_ spacing: TimestepSpacing) -> Float {
        let largest = sigmas.max() ?? 0
        return spacing == .leading ? (largest * largest + 1).squareRoot() : largest
    }
}
