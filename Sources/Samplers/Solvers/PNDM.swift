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
/// Manifolds" (arXiv 2202.09778). Follows diffusers `PNDMScheduler.step_plms`, a trajectory that starts later included:
/// there the repetition of the first step has moved the timesteps by one, so the trajectory of step k begins with that
/// of step k - 1, takes it twice, and the timestep after it is asked for once, of latents that are a step noisier.
public struct PNDM: Solver {
    public private(set) var evaluations: [Evaluation]
    public let finalSigma: Float
    /// At each evaluation, the ends of a step that begins there, and of the one that ends there.
    private let alphas: [(after: Interval, before: Interval)]
    private let predictionType: PredictionType
    /// The evaluation that the trajectory begins with.
    private var first = 0
    /// The last answers, the latest first; at most four.
    private var answers: [Tensor] = []
    /// Where the first step began, between its two evaluations.
    private var start: Tensor?

    private typealias Interval = (now: Float, next: Float)

    init(_ context: SolverContext) throws(SamplerError) {
        let (configuration, schedule) = (context.configuration, context.schedule)
        if configuration.rescalesToZeroSNR {
            throw .combination(
                method: "pndm", subject: "rescale_betas_zero_snr", expected: "false (its step divides by the signal)",
                found: "true")
        }
        var timesteps = context.spacing.timesteps(
            context.steps, trainTimesteps: schedule.trainTimesteps, end: schedule.trainTimesteps,
            offset: configuration.stepsOffset, hasExtraPoint: false
        ).map { Int($0.rounded(.toNearestOrEven)) }
        // The first step again, told by the timestep of its end.
        if timesteps.count > 1 { timesteps.insert(timesteps[1], at: 1) }
        let (stride, table) = (schedule.trainTimesteps / context.steps, schedule.alphasCumulative)
        let final = configuration.setsAlphaToOne ?? false ? 1 : table[0]
        alphas = timesteps.map {
            let (now, next) = (table[$0], $0 >= stride ? table[$0 - stride] : final)
            return (after: (now, next), before: (table[min($0 + stride, table.count - 1)], now))
        }
        evaluations = zip(timesteps, alphas).map {
            Evaluation(timestep: Float($0), sigma: sigma(ofAlpha: $1.after.now), step: 0)
        }
        finalSigma = sigma(ofAlpha: alphas[alphas.count - 1].after.next)
        predictionType = configuration.predictionType
        begin(at: 0)
    }

    public mutating func begin(at step: Int) {
        first = step
        answers = []
        start = nil
        for index in evaluations.indices {
            let isRepeated = index == first && evaluations.count > 1
            evaluations[index] = Evaluation(
                timestep: evaluations[index].timestep, sigma: evaluations[index].sigma,
                step: index > first ? index - 1 : index, completesStep: !isRepeated)
        }
    }

    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        let alpha = alphas[index].after.now
        return clean * Double(alpha.squareRoot()) + noise * Double((1 - alpha).squareRoot())
    }

    public mutating func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (answer, origin, interval): (Tensor, Tensor, Interval)
        if let start, index == first + 1 {
            (answer, origin, interval) = ((prediction + answers[0]) / 2, start, alphas[index].before)
            self.start = nil
        } else {
            if index == first { answers = [] }
            answers = [prediction] + answers.prefix(3)
            (answer, origin, interval) = (Self.extrapolated(answers), latents, alphas[index].after)
            start = index == first ? latents : nil
        }
        let (now, next) = interval
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
