public import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SamplingMethod {
    static let dpmPlusPlusSDE = SamplingMethod(
        name: "dpm++sde", title: "DPM++ SDE", aliases: ["DPMSolverSDEScheduler", "k_dpmpp_sde"], family: .sigmas
    ) { context throws(SamplerError) in DPMPlusPlusSDE(context) }
}

/// DPM-Solver++ of second order for the stochastic equation: an ancestral step to the geometric middle, and one over
/// the whole with the x0 from there.
///
///     middle = sqrt(sigma · sigma'),   (down, up) of `EulerAncestral` to the middle, then to sigma'
///     x' = down / sigma · x + (1 - down / sigma) x0 + up · noise
///
/// Asks the model twice a step; the last step is one of Euler's. Follows diffusers `DPMSolverSDEScheduler.step` and
/// k-diffusion's `sample_dpmpp_sde`, but for where the noise comes from: theirs is a Brownian tree over sigma, here a
/// step draws two unit normals z1 and z2, whose increments add up as that tree's do:
///
///     noise to the middle = z1
///     noise to sigma' = (sqrt(sigma - middle) z1 + sqrt(middle - sigma') z2) / sqrt(sigma - sigma')
public struct DPMPlusPlusSDE: VarianceExplodingSolver {
    let plan: StepPlan
    private let predictionType: PredictionType
    public let initialNoiseScale: Float
    public let evaluations: [Evaluation]
    /// Where the step began and the noise drawn, between its two evaluations.
    private var start: (latents: Tensor, noise: Tensor)?

    init(_ context: SolverContext) {
        let plan = StepPlan(context, rules: .exploding)
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
        if next == 0 {
            let slope = (latents - denoised) / Double(sigma)
            return SamplerStep(latents: latents + slope * Double(next - sigma), denoised: denoised)
        }
        let drawn = noise(latents.shape)
        guard evaluation.completesStep, let start else {
            start = (latents, drawn)
            let trial = Self.advance(
                latents, denoised: denoised, from: sigma, to: evaluations[index + 1].sigma, noise: drawn)
            return SamplerStep(latents: trial, denoised: denoised)
        }
        self.start = nil
        let (first, second) = (Double(sigma - evaluation.sigma), Double(evaluation.sigma - next))
        let whole = (start.noise * first.squareRoot() + drawn * second.squareRoot()) / (first + second).squareRoot()
        let result = Self.advance(start.latents, denoised: denoised, from: sigma, to: next, noise: whole)
        return SamplerStep(latents: result, denoised: denoised)
    }

    private static func advance(
        _ latents: Tensor, denoised: Tensor, from sigma: Float, to next: Float, noise: Tensor
    ) -> Tensor {
        let share = AncestralShare(from: sigma, to: next)
        let factor = expm1(log(share.down) - log(sigma))
        return latents * Double(share.down / sigma) - denoised * Double(factor) + noise * Double(share.up)
    }
}
