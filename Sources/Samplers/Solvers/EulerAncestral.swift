public import TensorCore

extension SamplingMethod {
    static let eulerAncestral = SamplingMethod(
        name: "euler_a", title: "Euler a",
        aliases: ["Euler ancestral", "EulerAncestralDiscreteScheduler", "k_euler_a", "k_euler_ancestral"],
        family: .sigmas, defaultEta: 1
    ) { context throws(SamplerError) in EulerAncestral(context) }
}

/// Euler steps that go below the next noise level and come back with fresh noise.
///
///     up = min(sigma', eta · sqrt(sigma'² (sigma² - sigma'²) / sigma²)),   down = sqrt(sigma'² - up²)
///     x' = x + (x - x0) / sigma · (down - sigma) + up · fresh noise
///
/// Noise is drawn at the last step too, where it weighs nothing: the generator moves on as the reference's does. An eta
/// of 0 draws none and is Euler. Follows diffusers `EulerAncestralDiscreteScheduler.step` (eta 1) and k-diffusion's
/// `get_ancestral_step`.
public struct EulerAncestral: VarianceExplodingSolver {
    let plan: StepPlan
    private let predictionType: PredictionType
    private let eta: Float
    public let initialNoiseScale: Float
    public let evaluations: [Evaluation]

    init(_ context: SolverContext) {
        plan = StepPlan(context, rules: .exploding)
        evaluations = plan.evaluations
        predictionType = context.configuration.predictionType
        eta = context.eta
        initialNoiseScale = plan.explodingNoiseScale(context.spacing)
    }

    public func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (sigma, next) = (plan.sigmas[index], plan.sigmas[index + 1])
        let denoised = predictionType.denoised(prediction, latents: latents, sigma: sigma)
        let derivative = (latents - denoised) / Double(sigma)
        let share = AncestralShare(from: sigma, to: next, eta: eta)
        var result = latents + derivative * Double(share.down - sigma)
        if eta > 0 { result = result + noise(latents.shape) * Double(share.up) }
        return SamplerStep(latents: result, denoised: denoised)
    }
}

/// How far an ancestral step goes down, and how much fresh noise brings it up to the next level.
struct AncestralShare {
    let down: Float
    let up: Float

    init(from sigma: Float, to next: Float, eta: Float = 1) {
        let squared = next * next
        let full = (squared * (sigma * sigma - squared) / (sigma * sigma)).squareRoot()
        up = min(next, eta * full)
        down = (squared - up * up).squareRoot()
    }
}
