public import TensorCore

/// A trajectory from noise to a sample: which timesteps to ask the model at, and what to make of its answers.
///
///     var sampler = try Sampler(named: "dpm++2m", configuration: configuration, steps: 20)
///     var latents = noise * Double(sampler.initialNoiseScale)
///     for (step, timestep) in sampler.timesteps.enumerated() {
///         let prediction = model(sampler.modelInput(latents, step: step), timestep)
///         latents = sampler.step(prediction, latents: latents, step: step) { random.normal($0) }.latents
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
    /// The factor of the unit noise that a trajectory starts from.
    public let initialNoiseScale: Float
    private var solver: any Solver

    /// - Parameters:
    ///   - name: see `SamplingMethod.find`; `DPM++ 2M Karras` also sets the sigma spacing.
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
        try self.init(method, configuration: configuration, steps: steps, eta: eta)
    }

    public init(
        _ method: SamplingMethod, configuration: SchedulerConfiguration, steps: Int, eta: Float = 0
    ) throws(SamplerError) {
        let schedule = try NoiseSchedule(configuration)
        guard (1...schedule.count).contains(steps) else { throw .steps(steps, maximum: schedule.count) }
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
    ///   - noise: draws unit normal noise of a shape; called only by methods that add some.
    /// - Returns: float32 tensors of the shape of `latents`.
    public mutating func step(
        _ prediction: Tensor, latents: Tensor, step: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        precondition(timesteps.indices.contains(step), "sampler: step \(step) of \(timesteps.count)")
        precondition(
            prediction.shape == latents.shape,
            "sampler: prediction of shape \(prediction.shape) for latents of shape \(latents.shape)")
        return solver.advance(
            latents.converted(to: .float32), prediction: prediction.converted(to: .float32), step: step, noise: noise)
    }
}
