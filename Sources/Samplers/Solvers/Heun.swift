public import TensorCore

extension SamplingMethod {
    static let heun = SamplingMethod(
        name: "heun", title: "Heun", aliases: ["HeunDiscreteScheduler", "k_heun"], family: .sigmas
    ) { context throws(SamplerError) in Heun(context) }
}

/// Heun's method: an Euler step as a trial, and the step again with the mean of the slopes at both of its ends.
///
///     d = (x - x0) / sigma,   trial = x + d (sigma' - sigma),   d' = (trial - x0') / sigma'
///     x' = x + (d + d') / 2 · (sigma' - sigma)
///
/// Asks the model twice a step, once in the last. Karras et al. (arXiv 2206.00364), algorithm 1. Follows diffusers
/// `HeunDiscreteScheduler.step`.
public struct Heun: VarianceExplodingSolver {
    let plan: StepPlan
    private let predictionType: PredictionType
    private let clipRange: Double?
    public let initialNoiseScale: Float
    public let evaluations: [Evaluation]
    /// Where the step began and its slope there, between its two evaluations.
    private var start: (latents: Tensor, slope: Tensor)?

    init(_ context: SolverContext) {
        let (plan, configuration) = (StepPlan(context, rules: .exploding), context.configuration)
        self.plan = plan
        evaluations = plan.evaluations(
            second: zip(plan.timesteps, plan.sigmas).dropFirst().map { (timestep: $0, sigma: $1) })
        predictionType = configuration.predictionType
        clipRange = configuration.clipsSample ?? false ? configuration.clipRange : nil
        initialNoiseScale = plan.explodingNoiseScale(context.spacing)
    }

    public mutating func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let evaluation = evaluations[index]
        let change = Double(plan.sigmas[evaluation.step + 1] - plan.sigmas[evaluation.step])
        var denoised = predictionType.denoised(prediction, latents: latents, sigma: evaluation.sigma)
        if let clipRange { denoised = clamp(denoised, -clipRange...clipRange) }
        let slope = (latents - denoised) / Double(evaluation.sigma)
        if evaluation.completesStep, let start {
            self.start = nil
            let mean = (start.slope + slope) / 2
            return SamplerStep(latents: start.latents + mean * change, denoised: denoised)
        }
        start = evaluation.completesStep ? nil : (latents, slope)
        return SamplerStep(latents: latents + slope * change, denoised: denoised)
    }
}
