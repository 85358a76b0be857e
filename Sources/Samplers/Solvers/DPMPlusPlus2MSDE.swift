public import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SamplingMethod {
    static let dpmPlusPlus2MSDE = SamplingMethod(
        name: "dpm++2m_sde", title: "DPM++ 2M SDE", aliases: ["k_dpmpp_2m_sde"], family: .sigmas,
        check: { configuration throws(SamplerError) in
            try DPMHistory.check(configuration, algorithm: "sde-dpmsolver++")
        }
    ) { context throws(SamplerError) in DPMPlusPlus2MSDE(context) }
}

/// DPM-Solver++ of second order for the stochastic equation, from the current and the previous x0.
///
///     x' = beta' / beta · e^-h · x + alpha' (1 - e^-2h) (D0 + D1 / 2) + beta' sqrt(1 - e^-2h) · fresh noise
///
/// The letters are those of `DPMPlusPlus2M`; the heun rule replaces the factor of D1 by
/// `alpha' ((1 - e^-2h) / (-2h) + 1)`. Noise is drawn at every step, the last included. Follows diffusers
/// `DPMSolverMultistepScheduler.step` with `sde-dpmsolver++`, scalars in float32.
public struct DPMPlusPlus2MSDE: VariancePreservingSolver {
    let plan: StepPlan
    private let points: [SigmaPoint]
    private let predictionType: PredictionType
    private let rule: SecondOrderRule
    private var history: DPMHistory

    init(_ context: SolverContext) {
        let configuration = context.configuration
        plan = StepPlan(context, rules: .dpmPlusPlus)
        points = plan.points
        predictionType = configuration.predictionType
        rule = configuration.secondOrderRule
        history = DPMHistory(plan, configuration)
    }

    public mutating func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (now, next) = (points[index], points[index + 1])
        let denoised = predictionType.denoised(
            prediction, latents: latents, signal: now.signal, deviation: now.deviation)
        let h = next.lambda - now.lambda
        let gone = 1 - exp(-2 * h)
        var result =
            latents * Double(next.deviation / now.deviation * exp(-h)) + denoised * Double(next.signal * gone)
        if let slope = history.slope(denoised, at: index) {
            switch rule {
            case .midpoint: result = result + slope * Double(0.5 * (next.signal * gone))
            case .heun: result = result + slope * Double(next.signal * (gone / (-2 * h) + 1))
            }
        }
        let fresh = noise(latents.shape) * Double(next.deviation * gone.squareRoot())
        return SamplerStep(latents: result + fresh, denoised: denoised)
    }
}
