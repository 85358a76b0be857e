public import TensorCore

extension SamplingMethod {
    static let pndm = SamplingMethod(
        name: "pndm", title: "PNDM", aliases: ["PNDMScheduler", "PLMS"], family: .timesteps, defaultSpacing: .leading,
        check: { configuration throws(SamplerError) in
            if !(configuration.skipsRungeKutta ?? false) {
                throw .configuration(
                    key: "skip_prk_steps", expected: "true (the Runge-Kutta start is not offered)", found: "false")
            }
        }
    ) { context throws(SamplerError) in try PNDM(context) }
}

/// Pseudo linear multistep (PLMS): the noise extrapolated from up to four answers carries a step of DDIM's equation.
///
///     e = (3 e1 - e2) / 2,   (23 e1 - 16 e2 + 5 e3) / 12,   (55 e1 - 59 e2 + 37 e3 - 9 e4) / 24
///     x' = sqrt(ᾱ' / ᾱ) x - (ᾱ' - ᾱ) e / (ᾱ sqrt(1 - ᾱ') + sqrt(ᾱ (1 - ᾱ) ᾱ'))
///
/// The first step is taken twice, the second time with the mean of its own answer and that at its end; so N steps ask
/// N + 1 times. A step goes from timestep t to t - T / N. Liu et al., "Pseudo Numerical Methods for Diffusion Models on
/// Manifolds" (arXiv 2202.09778). Follows diffusers `PNDMScheduler.step_plms`; a trajectory that starts later begins
/// with a step of first order, where diffusers would lose one.
public struct PNDM: Solver {
    public let evaluations: [Evaluation]
    public let finalSigma: Float
    private let alphas: [(now: Float, next: Float)]
    private let predictionType: PredictionType
    /// The last answers, the latest first; at most four.
    private var answers: [Tensor] = []
    /// Where the first step began, between its two evaluations.
    private var start: Tensor?

    init(_ context: SolverContext) throws(SamplerError) {
        let (configuration, schedule) = (context.configuration, context.schedule)
        if configuration.rescalesToZeroSNR {
            throw .combination(
                method: "pndm", subject: "rescale_betas_zero_snr", expected: "false (its step divides by the signal)",
                found: "true")
        }
        let whole = context.spacing.timesteps(
            context.steps, trainTimesteps: schedule.trainTimesteps, end: schedule.trainTimesteps,
            offset: configuration.stepsOffset, hasExtraPoint: false
        ).map { Int($0.rounded(.toNearestOrEven)) }
        let (stride, table) = (schedule.trainTimesteps / context.steps, schedule.alphasCumulative)
        let final = configuration.setsAlphaToOne ?? false ? 1 : table[0]
        var alphas = whole.map { (now: table[$0], next: $0 >= stride ? table[$0 - stride] : final) }
        var evaluations = whole.indices.map {
            Evaluation(timestep: Float(whole[$0]), sigma: sigma(ofAlpha: alphas[$0].now), step: $0)
        }
        if whole.count > 1 {
            // The first step again, told by the timestep of its end.
            let (end, begin) = (whole[1], min(whole[1] + stride, table.count - 1))
            alphas.insert((table[begin], table[end]), at: 1)
            let first = evaluations[0]
            evaluations[0] = Evaluation(timestep: first.timestep, sigma: first.sigma, step: 0, completesStep: false)
            evaluations.insert(
                Evaluation(timestep: Float(end), sigma: sigma(ofAlpha: table[end]), step: 0), at: 1)
        }
        self.alphas = alphas
        self.evaluations = evaluations
        finalSigma = sigma(ofAlpha: alphas[alphas.count - 1].next)
        predictionType = configuration.predictionType
    }

    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        // The second evaluation sees the end of the first step.
        let alpha = evaluations[index].step < index && index == 1 ? alphas[1].next : alphas[index].now
        return clean * Double(alpha.squareRoot()) + noise * Double((1 - alpha).squareRoot())
    }

    public mutating func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (answer, origin): (Tensor, Tensor)
        if let start, index == 1 {
            (answer, origin) = ((prediction + answers[0]) / 2, start)
            self.start = nil
        } else {
            if index == 0 { answers = [] }
            answers = [prediction] + answers.prefix(3)
            (answer, origin) = (Self.extrapolated(answers), latents)
            start = evaluations[index].completesStep ? nil : latents
        }
        let (now, next) = alphas[index]
        let (signal, deviation) = (now.squareRoot(), (1 - now).squareRoot())
        let predictedNoise = predictionType.noise(answer, latents: origin, signal: signal, deviation: deviation)
        let denominator = now * (1 - next).squareRoot() + (now * (1 - now) * next).squareRoot()
        let result =
            origin * Double((next / now).squareRoot()) - predictedNoise * Double(next - now) / Double(denominator)
        let denoised = predictionType.denoised(answer, latents: origin, signal: signal, deviation: deviation)
        return SamplerStep(latents: result, denoised: denoised)
    }

    /// The answer in the middle of the coming step, by the Adams-Bashforth weights of as many answers as there are.
    private static func extrapolated(_ answers: [Tensor]) -> Tensor {
        switch answers.count {
        case 1: answers[0]
        case 2: (3 * answers[0] - answers[1]) / 2
        case 3: (23 * answers[0] - 16 * answers[1] + 5 * answers[2]) / 12
        default: (1.0 / 24) * (55 * answers[0] - 59 * answers[1] + 37 * answers[2] - 9 * answers[3])
        }
    }
}
