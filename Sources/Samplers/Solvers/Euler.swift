public import TensorCore

extension SamplingMethod {
    static let euler = SamplingMethod(
        name: "euler", title: "Euler", aliases: ["EulerDiscreteScheduler", "k_euler"], family: .sigmas
    ) { context throws(SamplerError) in Euler(context) }
}

/// Euler steps along dx/dsigma = (x - x0) / sigma, with latents of the form x0 + sigma · noise.
///
///     x' = x + (x - x0) / sigma · (sigma' - sigma)
///
/// Follows diffusers `EulerDiscreteScheduler.step` without churn.
public struct Euler: VarianceExplodingSolver {
    let plan: StepPlan
    private let predictionType: PredictionType
    public let initialNoiseScale: Float
    public let evaluations: [Evaluation]

    init(_ context: SolverContext) {
        plan = StepPlan(context, rules: .euler)
        evaluations = plan.evaluations
        predictionType = context.configuration.predictionType
        initialNoiseScale = plan.explodingNoiseScale(context.spacing)
    }

    public func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (sigma, next) = (plan.sigmas[index], plan.sigmas[index + 1])
        let denoised = predictionType.denoised(prediction, latents: latents, sigma: sigma)
        let derivative = (latents - denoised) / Double(sigma)
        return SamplerStep(latents: latents + derivative * Double(next - sigma), denoised: denoised)
    }
}
