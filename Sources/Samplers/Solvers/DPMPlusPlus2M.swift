public import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SamplingMethod {
    static let dpmPlusPlus2M = SamplingMethod(
        name: "dpm++2m", title: "DPM++ 2M", aliases: ["DPMSolverMultistepScheduler"], defaultSpacing: .linspace,
        check: { configuration throws(SamplerError) in
            if configuration.algorithm != "dpmsolver++" {
                throw .configuration(
                    key: "algorithm_type", expected: "dpmsolver++", found: "\"\(configuration.algorithm)\"")
            }
            if configuration.solverOrder != 2 {
                throw .configuration(key: "solver_order", expected: "2", found: "\(configuration.solverOrder)")
            }
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
public struct DPMPlusPlus2M: Solver {
    private let plan: StepPlan
    private let predictionType: PredictionType
    private let rule: SecondOrderRule
    /// Whether the last step is of first order.
    private let lowersFinalOrder: Bool
    /// The x0 of the step before; nil at the start of a trajectory.
    private var previous: Tensor?

    init(_ context: SolverContext) {
        let configuration = context.configuration
        plan = StepPlan(
            context.schedule, configuration, spacing: context.spacing, steps: context.steps,
            rules: StepPlan.Rules(
                hasExtraPoint: true, keepsFractions: false, spacesWholeRange: true, clipsLambda: true))
        predictionType = configuration.predictionType
        rule = configuration.secondOrderRule
        lowersFinalOrder =
            configuration.usesEulerAtFinal || configuration.finalSigma == .zero
            || (configuration.lowersFinalOrder && plan.timesteps.count < 15)
    }

    public var timesteps: [Float] { plan.timesteps }

    public var sigmas: [Float] { plan.sigmas }

    public func noised(_ clean: Tensor, noise: Tensor, step: Int) -> Tensor {
        let point = Point(sigma: plan.sigmas[step])
        return clean * Double(point.signal) + noise * Double(point.deviation)
    }

    public mutating func advance(
        _ latents: Tensor, prediction: Tensor, step: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (now, next) = (Point(sigma: plan.sigmas[step]), Point(sigma: plan.sigmas[step + 1]))
        let denoised = predictionType.denoised(
            prediction, latents: latents, signal: now.signal, deviation: now.deviation)
        let h = next.lambda - now.lambda
        let factor = next.signal * (exp(-h) - 1)
        var result = latents * Double(next.deviation / now.deviation) - denoised * Double(factor)

        let isLast = step == plan.timesteps.count - 1
        if let previous, step > 0, !(isLast && lowersFinalOrder) {
            let hPrevious = now.lambda - Point(sigma: plan.sigmas[step - 1]).lambda
            let slope = (denoised - previous) * Double(1 / (hPrevious / h))
            switch rule {
            case .midpoint: result = result - slope * Double(0.5 * factor)
            case .heun: result = result + slope * Double(next.signal * ((exp(-h) - 1) / h + 1))
            }
        }
        previous = denoised
        return SamplerStep(latents: result, denoised: denoised)
    }

    /// A sigma in the variance-preserving form.
    private struct Point {
        let signal: Float
        let deviation: Float
        let lambda: Float

        init(sigma: Float) {
            signal = 1 / (sigma * sigma + 1).squareRoot()
            deviation = sigma * signal
            lambda = log(signal) - log(deviation)
        }
    }
}
