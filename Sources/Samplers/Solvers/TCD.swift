public import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SamplingMethod {
    static let tcd = SamplingMethod(
        name: "tcd", title: "TCD", aliases: ["TCDScheduler"], family: .distilled, defaultSpacing: .leading,
        defaultEta: 0
    ) { context throws(SamplerError) in try TCD(context) }
}

/// Strategic sampling of trajectory consistency models: jump below the next timestep, and come back with fresh noise.
///
///     s = floor((1 - eta) t'),   below = sqrt(ᾱs) x0 + sqrt(1 - ᾱs) noise
///     x' = sqrt(ᾱ' / ᾱs) below + sqrt(1 - ᾱ' / ᾱs) · fresh noise
///
/// The last step jumps to timestep 0 and adds nothing; an eta of 0 draws no noise at all and is what diffusers'
/// pipelines ask for by default; the paper's choice is 0.3. Zheng et al., "Trajectory Consistency Distillation" (arXiv
/// 2402.19159). Follows diffusers `TCDScheduler.step`.
public struct TCD: Solver {
    public let evaluations: [Evaluation]
    public let finalSigma: Float
    /// At each step's timestep, at the next one, and at the one that the step jumps to.
    private let alphas: [(now: Float, next: Float, below: Float)]
    private let predictionType: PredictionType
    private let eta: Float

    init(_ context: SolverContext) throws(SamplerError) {
        guard context.eta <= 1 else {
            throw .combination(method: "tcd", subject: "eta", expected: "0 to 1", found: "\(context.eta)")
        }
        try context.configuration.refuseNoiseFromPureNoise()
        let (timesteps, table) = (try context.distilledTimesteps(), context.schedule.alphasCumulative)
        let share = Float(1 - Double(context.eta))
        alphas = timesteps.indices.map { step in
            let next = step + 1 < timesteps.count ? timesteps[step + 1] : 0
            return (table[timesteps[step]], table[next], table[Int(share * Float(next))])
        }
        evaluations = timesteps.indices.map {
            Evaluation(timestep: Float(timesteps[$0]), sigma: sigma(ofAlpha: table[timesteps[$0]]), step: $0)
        }
        finalSigma = sigma(ofAlpha: table[0])
        predictionType = context.configuration.predictionType
        eta = context.eta
    }

    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        let alpha = alphas[index].now
        return clean * Double(alpha.squareRoot()) + noise * Double((1 - alpha).squareRoot())
    }

    public func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (now, next, below) = alphas[index]
        let (signal, deviation) = (now.squareRoot(), (1 - now).squareRoot())
        let denoised = predictionType.denoised(prediction, latents: latents, signal: signal, deviation: deviation)
        let predictedNoise = predictionType.noise(
            prediction, latents: latents, signal: signal, deviation: deviation)
        var result =
            denoised * Double(below.squareRoot()) + predictedNoise * Double((1 - below).squareRoot())
        if eta > 0 && index + 1 < alphas.count {
            let ratio = next / below
            result =
                result * Double(ratio.squareRoot()) + noise(latents.shape) * Double((1 - ratio).squareRoot())
        }
        return SamplerStep(latents: result, denoised: denoised)
    }
}
