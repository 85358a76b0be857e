/// One question that a sampler asks the model.
///
/// Most samplers ask once a step; Heun, DPM2 and DPM++ SDE ask again within one, PNDM in the first step taken.
public struct Evaluation: Sendable, Hashable {
    /// What the model is told; fractions occur.
    public let timestep: Float
    /// The noise in the latents that the model sees: over the signal, or of a flow its share.
    public let sigma: Float
    /// The step that the question belongs to, counted from 0.
    public let step: Int
    /// Whether the answer completes the step. The latents before that are a trial, of no use but for the next question.
    public let completesStep: Bool

    public init(timestep: Float, sigma: Float, step: Int, completesStep: Bool = true) {
        self.timestep = timestep
        self.sigma = sigma
        self.step = step
        self.completesStep = completesStep
    }
}

extension StepPlan {
    /// One question a step.
    var evaluations: [Evaluation] {
        timesteps.indices.map { Evaluation(timestep: timesteps[$0], sigma: sigmas[$0], step: $0) }
    }

    /// Two questions a step, except in the last, which ends where there is no noise to ask about.
    ///
    /// - Parameter second: where the second question of each of those steps is asked.
    func evaluations(second: [(timestep: Float, sigma: Float)]) -> [Evaluation] {
        timesteps.indices.flatMap { step in
            let isLast = step == timesteps.count - 1
            let first = Evaluation(
                timestep: timesteps[step], sigma: sigmas[step], step: step, completesStep: isLast)
            if isLast { return [first] }
            return [first, Evaluation(timestep: second[step].timestep, sigma: second[step].sigma, step: step)]
        }
    }
}
