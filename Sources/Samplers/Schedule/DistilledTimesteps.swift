extension SolverContext {
    /// The timesteps of a model that was distilled for some of the training timesteps, falling.
    ///
    ///     origin = (1 ... M) · (T / M) - 1, falling;   timesteps(i) = origin(floor(i · M / N))
    ///
    /// M is `original_inference_steps`. Follows `set_timesteps` of diffusers' LCMScheduler and TCDScheduler.
    /// - Throws: `SamplerError` when the model knows fewer timesteps than steps were asked for.
    func distilledTimesteps() throws(SamplerError) -> [Int] {
        let (train, original) = (schedule.trainTimesteps, configuration.originalSteps)
        guard original <= train else {
            throw .configuration(
                key: "original_inference_steps", expected: "at most num_train_timesteps (\(train))",
                found: "\(original)")
        }
        guard steps <= original else { throw .steps(steps, maximum: original) }
        // As numpy.linspace without its end, floored.
        let stride = Double(original) / Double(steps)
        return (0..<steps).map { (original - Int(Double($0) * stride)) * (train / original) - 1 }
    }
}
