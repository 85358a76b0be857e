public import TensorCore

extension SamplingMethod {
    static let lcm = SamplingMethod(
        name: "lcm", title: "LCM", aliases: ["LCMScheduler"], family: .distilled, defaultSpacing: .leading
    ) { context throws(SamplerError) in try LCM(context) }
}

/// Multistep sampling of latent consistency models: jump to the clean sample, and add noise for the next jump.
///
///     s = scaling · t,   clean = s / sqrt(s² + 1/4) · x0 + 1/4 / (s² + 1/4) · x
///     x' = sqrt(ᾱ') clean + sqrt(1 - ᾱ') · fresh noise,   and clean after the last step
///
/// Luo et al., "Latent Consistency Models" (arXiv 2310.04378). Follows diffusers `LCMScheduler.step`.
public struct LCM: Solver {
    public let evaluations: [Evaluation]
    /// Nothing is left after the last jump.
    public var finalSigma: Float { 0 }
    private let alphas: [Float]
    private let predictionType: PredictionType
    private let clipRange: Double?
    private let scaling: Float

    init(_ context: SolverContext) throws(SamplerError) {
        let configuration = context.configuration
        try configuration.refuseNoiseFromPureNoise()
        let timesteps = try context.distilledTimesteps()
        let alphas = timesteps.map { context.schedule.alphasCumulative[$0] }
        self.alphas = alphas
        evaluations = timesteps.indices.map {
            Evaluation(timestep: Float(timesteps[$0]), sigma: sigma(ofAlpha: alphas[$0]), step: $0)
        }
        predictionType = configuration.predictionType
        clipRange = configuration.clipsSample ?? false ? configuration.clipRange : nil
        scaling = Float(configuration.timestepScaling)
    }

    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        clean * Double(alphas[index].squareRoot()) + noise * Double((1 - alphas[index]).squareRoot())
    }

    public func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (signal, deviation) = (alphas[index].squareRoot(), (1 - alphas[index]).squareRoot())
        var denoised = predictionType.denoised(prediction, latents: latents, signal: signal, deviation: deviation)
        if let clipRange { denoised = clamp(denoised, -clipRange...clipRange) }
        let scaled = evaluations[index].timestep * scaling
        let square = scaled * scaled + 0.25
        denoised = denoised * Double(scaled / square.squareRoot()) + latents * Double(0.25 / square)
        guard index + 1 < alphas.count else { return SamplerStep(latents: denoised, denoised: denoised) }
        let next = alphas[index + 1]
        let result =
            denoised * Double(next.squareRoot()) + noise(latents.shape) * Double((1 - next).squareRoot())
        return SamplerStep(latents: result, denoised: denoised)
    }
}
