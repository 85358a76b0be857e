public import TensorCore

/// A trajectory from noise to a sample: which timesteps to ask the model at, and what to make of its answers.
///
///     var sampler = try Sampler(named: "dpm++2m", configuration: configuration, steps: 20)
///     var latents = noise * Double(sampler.initialNoiseScale)
///     for (step, timestep) in sampler.timesteps.enumerated() {
///         let prediction = model(sampler.modelInput(latents, step: step), timestep)
///         latents = sampler.step(prediction, latents: latents, step: step, random: &random)
///     }
///
/// A value: a copy made between two steps continues independently.
public struct Sampler: Sendable {
    public let method: SamplingMethod
    /// The configuration in use, with the sigma spacing that the name asked for.
    public let configuration: SchedulerConfiguration
    public let schedule: NoiseSchedule
    /// What the model is told at each step, falling; fractions occur. Usually one a step that was asked for.
    public let timesteps: [Float]
    /// The noise over the signal at each step and after the last one: one more than timesteps.
    public let sigmas: [Float]
    /// The factor of the unit noise that a trajectory starts from.
    public let initialNoiseScale: Float
    /// The clean sample that the model had in mind at the last step taken, good for a preview.
    public private(set) var denoised: Tensor?
    private var solver: any Solver

    /// - Parameters:
    ///   - name: see `SamplingMethod.find`; `DPM++ 2M Karras` also sets the sigma spacing. The configuration's own
    ///     class name stands for the mode that the configuration sets.
    ///   - configuration: of the model.
    ///   - steps: from 1 to the number of training timesteps.
    ///   - eta: the share of fresh noise at each step (DDIM only), at least 0.
    /// - Throws: `SamplerError`.
    public init(
        named name: String, configuration: SchedulerConfiguration, steps: Int, eta: Float = 0
    ) throws(SamplerError) {
        let (method, sigmaSpacing) = try SamplingMethod.find(name)
        var configuration = configuration
        if let sigmaSpacing { configuration.sigmaSpacing = sigmaSpacing }
        if name == configuration.className { try method.check(configuration) }
        try self.init(method, configuration: configuration, steps: steps, eta: eta)
    }

    public init(
        _ method: SamplingMethod, configuration: SchedulerConfiguration, steps: Int, eta: Float = 0
    ) throws(SamplerError) {
        let schedule = try NoiseSchedule(configuration)
        guard (1...schedule.trainTimesteps).contains(steps) else {
            throw .steps(steps, maximum: schedule.trainTimesteps)
        }
        guard eta >= 0 && eta.isFinite else {
            throw .configuration(key: "eta", expected: "a number of at least 0", found: "\(eta)")
        }
        let solver = try method.solver(
            SolverContext(
                configuration: configuration, schedule: schedule,
                spacing: configuration.timestepSpacing ?? method.defaultSpacing, steps: steps, eta: eta))
        self.method = method
        self.configuration = configuration
        self.schedule = schedule
        self.solver = solver
        timesteps = solver.timesteps
        sigmas = solver.sigmas
        initialNoiseScale = solver.initialNoiseScale
    }

    /// The latents as the model wants to see them at a step.
    public func modelInput(_ latents: Tensor, step: Int) -> Tensor {
        solver.modelInput(latents.converted(to: .float32), step: step)
    }

    /// A clean sample with the noise of a step, to start a trajectory there (image to image).
    public func noised(_ clean: Tensor, noise: Tensor, step: Int) -> Tensor {
        solver.noised(clean.converted(to: .float32), noise: noise.converted(to: .float32), step: step)
    }

    /// Takes a step.
    ///
    /// - Parameters:
    ///   - prediction: the model's answer (after guidance) to `modelInput` at `timesteps[step]`.
    ///   - latents: `[batch, channels, height, width]`, of the step before.
    ///   - step: counts from 0; steps are taken in order, from any start.
    ///   - random: where methods that add noise draw it; the others leave it alone.
    /// - Returns: the latents after the step, float32; after the last step, the sample.
    public mutating func step(
        _ prediction: Tensor, latents: Tensor, step: Int, random: inout some RandomSource
    ) -> Tensor {
        precondition(timesteps.indices.contains(step), "sampler: step \(step) of \(timesteps.count)")
        precondition(
            prediction.shape == latents.shape,
            "sampler: prediction of shape \(prediction.shape) for latents of shape \(latents.shape)")
        let result = solver.advance(
            latents.converted(to: .float32), prediction: prediction.converted(to: .float32), step: step
        ) { random.normal($0) }
        denoised = result.denoised
        return result.latents
    }
}
