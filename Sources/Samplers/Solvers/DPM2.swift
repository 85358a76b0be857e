public import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SamplingMethod {
    static let dpm2 = SamplingMethod(
        name: "dpm2", title: "DPM2", aliases: ["KDPM2DiscreteScheduler", "KDPM2", "k_dpm_2"], family: .sigmas
    ) { context throws(SamplerError) in DPM2(context) }
}

/// DPM-Solver-2: the slope at the geometric middle of a step carries the whole step.
///
///     middle = sqrt(sigma · sigma'),   trial = x + (x - x0) / sigma · (middle - sigma)
///     x' = x + (trial - x0') / middle · (sigma' - sigma)
///
/// Asks the model twice a step; the last step is one of Euler's. Lu et al. (arXiv 2206.00927). Follows diffusers
/// `KDPM2DiscreteScheduler.step`.
public struct DPM2: VarianceExplodingSolver {
    let plan: StepPlan
    private let predictionType: PredictionType
    public let initialNoiseScale: Float
    public let evaluations: [Evaluation]
    /// Where the step began, between its two evaluations.
    private var start: Tensor?

    init(_ context: SolverContext) {
        let plan = StepPlan(context, rules: .dpm2)
        self.plan = plan
        evaluations = plan.evaluations(second: plan.middles(context.schedule))
        predictionType = context.configuration.predictionType
        initialNoiseScale = plan.explodingNoiseScale(context.spacing)
    }

    public mutating func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let evaluation = evaluations[index]
        let (sigma, next) = (plan.sigmas[evaluation.step], plan.sigmas[evaluation.step + 1])
        let denoised = predictionType.denoised(prediction, latents: latents, sigma: evaluation.sigma)
        let slope = (latents - denoised) / Double(evaluation.sigma)
        if evaluation.completesStep {
            let origin = start ?? latents
            start = nil
            return SamplerStep(latents: origin + slope * Double(next - sigma), denoised: denoised)
        }
        start = latents
        let middle = evaluations[index + 1].sigma
        return SamplerStep(latents: latents + slope * Double(middle - sigma), denoised: denoised)
    }
}

extension StepPlan {
    /// The geometric middles of the sigmas of all steps but the last, with their timesteps.
    func middles(_ schedule: NoiseSchedule) -> [(timestep: Float, sigma: Float)] {
        let middles = timesteps.indices.dropLast().map { step in
            let (before, after) = (log(sigmas[step]), log(sigmas[step + 1]))
            return exp(before + (after - before) * 0.5)
        }
        return zip(schedule.timesteps(of: middles.map { Double($0) }), middles).map { (Float($0), $1) }
    }
}
