public import TensorCore

extension SamplingMethod {
    static let ddim = SamplingMethod(
        name: "ddim", title: "DDIM", aliases: ["DDIMScheduler"], defaultSpacing: .leading
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
    public let timesteps: [Float]
    private let alphas: [(now: Float, next: Float)]
    private let predictionType: PredictionType
    private let clipRange: Double?
    private let eta: Float

    init(_ context: SolverContext) throws(SamplerError) {
        let (configuration, schedule) = (context.configuration, context.schedule)
        if configuration.rescalesToZeroSNR && configuration.predictionType == .epsilon {
            throw .configuration(
                key: "prediction_type", expected: "v_prediction or sample with rescale_betas_zero_snr",
                found: "epsilon, which says nothing at pure noise")
        }
        let whole = context.spacing.timesteps(
            context.steps, trainTimesteps: schedule.trainTimesteps, end: schedule.trainTimesteps,
            offset: configuration.stepsOffset,
            hasExtraPoint: false
        ).map { Int($0.rounded(.toNearestOrEven)) }
        let stride = schedule.trainTimesteps / context.steps
        let table = schedule.alphasCumulative
        let final = configuration.setsAlphaToOne ? 1 : table[0]
        alphas = whole.map { (table[$0], $0 >= stride ? table[$0 - stride] : final) }
        timesteps = whole.map { Float($0) }
        predictionType = configuration.predictionType
        clipRange = configuration.clipsSample ? configuration.clipRange : nil
        eta = context.eta
    }

    public var sigmas: [Float] {
        (alphas.map(\.now) + alphas.suffix(1).map(\.next)).map { sigma(ofAlpha: $0) }
    }

    public func noised(_ clean: Tensor, noise: Tensor, step: Int) -> Tensor {
        let alpha = alphas[step].now
        return clean * Double(alpha.squareRoot()) + noise * Double((1 - alpha).squareRoot())
    }

    public func advance(
        _ latents: Tensor, prediction: Tensor, step: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (now, next) = alphas[step]
        let (signal, deviation) = (now.squareRoot(), (1 - now).squareRoot())
        var denoised = predictionType.denoised(prediction, latents: latents, signal: signal, deviation: deviation)
        let predictedNoise =
            switch predictionType {
            case .epsilon: prediction
            case .velocity: prediction * Double(signal) + latents * Double(deviation)
            case .sample: (latents - denoised * Double(signal)) / Double(deviation)
            }
        if let clipRange { denoised = clamp(denoised, -clipRange...clipRange) }

        let fresh = eta * ((1 - next) / (1 - now) * (1 - now / next)).squareRoot()
        let direction = max(1 - next - fresh * fresh, 0).squareRoot()
        var result = denoised * Double(next.squareRoot()) + predictedNoise * Double(direction)
        if eta > 0 { result = result + noise(latents.shape) * Double(fresh) }
        return SamplerStep(latents: result, denoised: denoised)
    }
}
