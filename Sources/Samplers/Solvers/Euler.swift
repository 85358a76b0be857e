public import TensorCore

extension SamplingMethod {
    static let euler = SamplingMethod(
        name: "euler", title: "Euler", aliases: ["EulerDiscreteScheduler"], defaultSpacing: .linspace
    ) { context throws(SamplerError) in Euler(context) }
}

/// Euler steps along dx/dsigma = (x - x0) / sigma, with latents of the form x0 + sigma · noise.
///
///     x' = x + (x - x0) / sigma · (sigma' - sigma)
///
/// Follows diffusers `EulerDiscreteScheduler.step` without churn.
public struct Euler: Solver {
    private let plan: StepPlan
    private let predictionType: PredictionType
    public let initialNoiseScale: Float

    init(_ context: SolverContext) {
        plan = StepPlan(
            context.schedule, context.configuration, spacing: context.spacing, steps: context.steps,
            rules: StepPlan.Rules(
                hasExtraPoint: false, keepsFractions: true, spacesWholeRange: false, clipsLambda: false))
        predictionType = context.configuration.predictionType
        let largest = plan.sigmas.max() ?? 0
        initialNoiseScale = context.spacing == .leading ? (largest * largest + 1).squareRoot() : largest
    }

    public var timesteps: [Float] { plan.timesteps }

    public var sigmas: [Float] { plan.sigmas }

    public func modelInput(_ latents: Tensor, step: Int) -> Tensor {
        let sigma = plan.sigmas[step]
        return latents / Double((sigma * sigma + 1).squareRoot())
    }

    public func noised(_ clean: Tensor, noise: Tensor, step: Int) -> Tensor {
        clean + noise * Double(plan.sigmas[step])
    }

    public func advance(
        _ latents: Tensor, prediction: Tensor, step: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (sigma, next) = (plan.sigmas[step], plan.sigmas[step + 1])
        let denoised = predictionType.denoised(prediction, latents: latents, sigma: sigma)
        let derivative = (latents - denoised) / Double(sigma)
        return SamplerStep(latents: latents + derivative * Double(next - sigma), denoised: denoised)
    }
}
