public import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SamplingMethod {
    static let dpmPlusPlus2M = SamplingMethod(
        name: "dpm++2m", title: "DPM++ 2M", aliases: ["DPMSolverMultistepScheduler", "k_dpmpp_2m"], family: .sigmas,
        check: { configuration throws(SamplerError) in
            try DPMHistory.check(configuration, algorithm: "dpmsolver++")
        }
    ) { context throws(SamplerError) in DPMPlusPlus2M(context) }
}

/// DPM-Solver++ of second order, from the current and the previous x0.
///
///     alpha = 1 / sqrt(sigma² + 1),  beta = sigma · alpha,  lambda = ln alpha - ln beta,  h = lambda' - lambda
///     x' = beta' / beta · x - alpha' (e^-h - 1) (D0 + D1 / 2)
///     D0 = x0,  D1 = h / h_previous · (x0 - x0_previous)
///
/// The heun rule replaces the factor of D1 by `alpha' ((e^-h - 1) / h + 1)`. The first step, and the last one by
/// configuration, leave D1 out. Lu et al., "DPM-Solver++" (arXiv 2211.01095), algorithm 2. Follows diffusers
/// `DPMSolverMultistepScheduler.step`, with scalars in float32.
public struct DPMPlusPlus2M: VariancePreservingSolver {
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
        let factor = next.signal * (exp(-h) - 1)
        var result = latents * Double(next.deviation / now.deviation) - denoised * Double(factor)
        if let slope = history.slope(denoised, at: index) {
            switch rule {
            case .midpoint: result = result - slope * Double(0.5 * factor)
            case .heun: result = result + slope * Double(next.signal * ((exp(-h) - 1) / h + 1))
            }
        }
        return SamplerStep(latents: result, denoised: denoised)
    }
}
