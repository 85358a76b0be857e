public import TensorCore

extension SamplingMethod {
    static let ddim = SamplingMethod(
        name: "ddim", title: "DDIM", aliases: ["DDIMScheduler"], family: .timesteps, defaultSpacing: .leading,
        defaultEta: 0
    ) { context throws(SamplerError) in try DDIM(context) }
}

/// Denoising diffusion implicit models, the deterministic (eta 0) to ancestral (eta 1) family.
///
///     s = eta · sqrt((1 - ᾱ') / (1 - ᾱ) · (1 - ᾱ / ᾱ'))
///     x' = sqrt(ᾱ') x0 + sqrt(1 - ᾱ' - s²) noise + s · fresh noise
///
/// The step goes from timestep t to t - T / N, whatever the spacing is. A sigma spacing of the configuration does not
/// apply. Follows diffusers `DDIMScheduler.step`, with scalars in float32.
public struct DDIM: Solver {
    public let evaluations: [Evaluation]
    public let finalSigma: Float
    private let alphas: [(now: Float, next: Float)]
    private let predictionType: PredictionType
    private let clipRange: Double?
    private let eta: Float

    init(_ context: SolverContext) throws(SamplerError) {
        let (configuration, schedule) = (context.configuration, context.schedule)
        try configuration.refuseNoiseFromPureNoise()
        let whole = context.spacing.timesteps(
            context.steps, trainTimesteps: schedule.trainTimesteps, end: schedule.trainTimesteps,
            offset: configuration.stepsOffset,
            hasExtraPoint: false
        ).map { Int($0.rounded(.toNearestOrEven)) }
        let stride = schedule.trainTimesteps / context.steps
        let table = schedule.alphasCumulative
        let final = configuration.setsAlphaToOne ?? true ? 1 : table[0]
        let alphas = whole.map { (now: table[$0], next: $0 >= stride ? table[$0 - stride] : final) }
        self.alphas = alphas
        evaluations = whole.indices.map {
            Evaluation(timestep: Float(whole[$0]), sigma: sigma(ofAlpha: alphas[$0].now), step: $0)
        }
        finalSigma = sigma(ofAlpha: alphas[alphas.count - 1].next)
        predictionType = configuration.predictionType
        clipRange = configuration.clipsSample ?? true ? configuration.clipRange : nil
        eta = context.eta
    }

    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        let alpha = alphas[index].now
        return clean * Double(alpha.squareRoot()) + noise * Double((1 - alpha).squareRoot())
    }

    public func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (now, next) = alphas[index]
        let (signal, deviation) = (now.squareRoot(), (1 - now).squareRoot())
        var denoised = predictionType.denoised(prediction, latents: latents, signal: signal, deviation: deviation)
        let predictedNoise = predictionType.noise(
            prediction, latents: latents, signal: signal, deviation: deviation)
        if let clipRange { denoised = clamp(denoised, -clipRange...clipRange) }

        let fresh = eta * ((1 - next) / (1 - now) * (1 - now / next)).squareRoot()
        let direction = max(1 - next - fresh * fresh, 0).squareRoot()
        var result = denoised * Double(next.squareRoot()) + predictedNoise * Double(direction)
        if eta > 0 { result = result + noise(latents.shape) * Double(fresh) }
        return SamplerStep(latents: result, denoised: denoised)
    }
}
