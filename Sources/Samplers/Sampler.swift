public import TensorCore

/// A trajectory from noise to a sample: what to ask the model, and what to make of its answers.
///
///     var sampler = try Sampler(named: "dpm++2m", configuration: configuration, steps: 20)
///     var latents = noise * Double(sampler.initialNoiseScale)
///     for (index, evaluation) in sampler.evaluations.enumerated() {
///         let prediction = model(sampler.modelInput(latents, at: index), evaluation.timestep)
///         latents = sampler.step(prediction, latents: latents, at: index, random: &random)
///     }
///
/// A value: a copy made between two evaluations continues independently.
public struct Sampler: Sendable {
    public let method: SamplingMethod
    /// The configuration in use, with the schedule that was asked for.
    public let configuration: SchedulerConfiguration
    public let schedule: NoiseSchedule
    /// The schedule that was asked for, or the sigma spacing that the configuration sets and the method can follow.
    public let chosenSchedule: SamplingSchedule?
    /// The questions to the model, in order; some methods ask more than once a step.
    public var evaluations: [Evaluation] { solver.evaluations }
    /// The noise at each evaluation and after the last one: one more than evaluations.
    public let sigmas: [Float]
    /// The factor of the unit noise that a trajectory starts from.
    public let initialNoiseScale: Float
    /// The clean sample that the model had in mind at the last evaluation, good for a preview.
    public private(set) var denoised: Tensor?
    private var solver: any Solver

    /// - Parameters:
    ///   - name: see `SamplingMethod.find`; `DPM++ 2M Karras` also sets the schedule. The configuration's own class
    ///     name stands for the mode that the configuration sets. Euler on a flow model is flow Euler.
    ///   - schedule: see `SamplingSchedule.find`; nil takes the name's, or the configuration's.
    ///   - configuration: of the model.
    ///   - steps: from 1 to the number of training timesteps.
    ///   - eta: the share of fresh noise at each step, at least 0; nil takes the method's own.
    /// - Throws: `SamplerError`.
    public init(
        named name: String, schedule: String? = nil, configuration: SchedulerConfiguration, steps: Int,
        eta: Float? = nil
    ) throws(SamplerError) {
        var (method, chosen) = try SamplingMethod.find(name)
        if let schedule { chosen = try SamplingSchedule.find(schedule) ?? chosen }
        if method.name == SamplingMethod.euler.name && configuration.predictionType == .flow { method = .flowEuler }
        if name == configuration.className {
            if method.name == SamplingMethod.dpmPlusPlus2M.name && configuration.algorithm.hasPrefix("sde-") {
                method = .dpmPlusPlus2MSDE
            }
            try method.check(configuration)
        }
        try self.init(method, schedule: chosen, configuration: configuration, steps: steps, eta: eta)
    }

    public init(
        _ method: SamplingMethod, schedule chosen: SamplingSchedule? = nil, configuration: SchedulerConfiguration,
        steps: Int, eta: Float? = nil
    ) throws(SamplerError) {
        try method.check(schedule: chosen, eta: eta)
        var configuration = configuration
        chosen?.apply(to: &configuration)
        try method.check(configuration.predictionType)
        let schedule = try NoiseSchedule(configuration)
        guard (1...schedule.trainTimesteps).contains(steps) else {
            throw .steps(steps, maximum: schedule.trainTimesteps)
        }
        let solver = try method.solver(
            SolverContext(
                configuration: configuration, schedule: schedule,
                spacing: configuration.timestepSpacing ?? method.defaultSpacing, steps: steps,
                eta: eta ?? method.defaultEta ?? 0))
        self.method = method
        let own = configuration.sigmaSpacing.map { SamplingSchedule.sigmas($0) }
        chosenSchedule = chosen ?? own.flatMap { method.schedules.contains($0) ? $0 : nil }
        self.configuration = configuration
        self.schedule = schedule
        self.solver = solver
        sigmas = solver.evaluations.map(\.sigma) + [solver.finalSigma]
        initialNoiseScale = solver.initialNoiseScale
    }

    /// What the model is told at each evaluation, falling; fractions occur.
    public var timesteps: [Float] { evaluations.map(\.timestep) }

    /// The steps that were asked for.
    public var stepCount: Int { (evaluations.last?.step ?? -1) + 1 }

    /// Lets the trajectory begin at a step; without it, it begins at the first.
    ///
    /// - Returns: the evaluation that it begins with.
    public mutating func begin(at step: Int) -> Int {
        precondition((0..<stepCount).contains(step), "sampler: step \(step) of \(stepCount)")
        solver.begin(at: step)
        return evaluations.firstIndex { $0.step == step } ?? 0
    }

    /// The latents as the model wants to see them at an evaluation.
    public func modelInput(_ latents: Tensor, at index: Int) -> Tensor {
        solver.modelInput(latents.converted(to: .float32), at: index)
    }

    /// A clean sample with the noise of an evaluation that begins a step, to start a trajectory there (image to image).
    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        solver.noised(clean.converted(to: .float32), noise: noise.converted(to: .float32), at: index)
    }

    /// Goes on to the next evaluation.
    ///
    /// - Parameters:
    ///   - prediction: the model's answer (after guidance) to `modelInput` at `evaluations[index]`.
    ///   - latents: `[batch, channels, height, width]`, of the evaluation before.
    ///   - index: counts from 0; evaluations are made in order, from the one that `begin` gave.
    ///   - random: where methods that add noise draw it; the others leave it alone.
    /// - Returns: the latents for the next evaluation, float32; after the last one, the sample.
    public mutating func step(
        _ prediction: Tensor, latents: Tensor, at index: Int, random: inout some RandomSource
    ) -> Tensor {
        precondition(evaluations.indices.contains(index), "sampler: evaluation \(index) of \(evaluations.count)")
        precondition(
            prediction.shape == latents.shape,
            "sampler: prediction of shape \(prediction.shape) for latents of shape \(latents.shape)")
        let result = solver.advance(
            latents.converted(to: .float32), prediction: prediction.converted(to: .float32), at: index
        ) { random.normal($0) }
        denoised = result.denoised
        return result.latents
    }
}

extension SamplingMethod {
    /// Refuses what the caller asked for and the method cannot do. What the configuration sets beyond that is left
    /// unused, as it is the model's own sampler that it was written for.
    fileprivate func check(schedule: SamplingSchedule?, eta: Float?) throws(SamplerError) {
        if let schedule, !schedules.contains(schedule) {
            throw .combination(
                method: name, subject: "schedule",
                expected: "one of \(schedules.map(\.name).joined(separator: ", "))", found: "\"\(schedule.name)\"")
        }
        guard let eta else { return }
        guard eta >= 0 && eta.isFinite else {
            throw .combination(method: name, subject: "eta", expected: "a number of at least 0", found: "\(eta)")
        }
        if eta > 0 && defaultEta == nil {
            let takers = Self.all.filter { $0.defaultEta != nil }.map(\.name).joined(separator: ", ")
            throw .combination(
                method: name, subject: "eta", expected: "none (it counts for \(takers))", found: "\(eta)")
        }
    }

    fileprivate func check(_ prediction: PredictionType) throws(SamplerError) {
        guard predictions.contains(prediction) else {
            throw .combination(
                method: name, subject: "prediction",
                expected: "one of \(predictions.map(\.name).joined(separator: ", "))", found: "\"\(prediction.name)\"")
        }
    }
}
