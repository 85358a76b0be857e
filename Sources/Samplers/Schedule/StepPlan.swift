#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Where a trajectory asks the model, and the noise before and after each step.
struct StepPlan: Sendable, Equatable {
    let timesteps: [Float]
    /// One more than timesteps; the last is where the trajectory ends.
    let sigmas: [Float]

    init(_ context: SolverContext, rules: Rules) {
        self.init(
            context.schedule, context.configuration, spacing: context.spacing, steps: context.steps, rules: rules)
    }

    /// Follows `set_timesteps` of diffusers' EulerDiscreteScheduler, DPMSolverMultistepScheduler and their like: table
    /// and result are float32, everything between is float64.
    init(
        _ schedule: NoiseSchedule, _ configuration: SchedulerConfiguration, spacing: TimestepSpacing, steps: Int,
        rules: Rules
    ) {
        let table = schedule.sigmas
        let end =
            rules.clipsLambda
            ? table.count - schedule.countOfLambdas(below: configuration.lambdaMinimum) : table.count
        var timesteps = spacing.timesteps(
            steps, trainTimesteps: table.count, end: max(end, 1), offset: configuration.stepsOffset,
            hasExtraPoint: rules.hasExtraPoint)
        // numpy makes Euler's timesteps float32 before it looks up their sigmas.
        timesteps = timesteps.map { rules.keepsFractions ? Double(Float($0)) : $0.rounded(.toNearestOrEven) }

        var sigmas = timesteps.map { interpolated(table, at: $0) }
        var last = rules.endsAtZero || configuration.finalSigma == .zero ? 0 : Double(table[0])
        if let spacing = configuration.sigmaSpacing {
            var (smallest, largest) = (sigmas[sigmas.count - 1], sigmas[0])
            if rules.spacesWholeRange { (smallest, largest) = (Double(table[0]), Double(table[table.count - 1])) }
            if rules.usesSigmaRange {
                smallest = configuration.sigmaMinimum ?? smallest
                largest = configuration.sigmaMaximum ?? largest
            }
            sigmas = spacing.sigmas(largest, smallest, sigmas.count)
            timesteps = schedule.timesteps(of: sigmas)
            if let rule = rules.rounding(spacing, configuration.betaSchedule) {
                timesteps = timesteps.map { $0.rounded(rule) }
            }
            if rules.endsAtSpacedMinimum && last > 0 { last = sigmas[sigmas.count - 1] }
        }
        self.timesteps = timesteps.map { Float($0) }
        self.sigmas = (sigmas + [last]).map { Float($0) }
    }
}

extension NoiseSchedule {
    /// How many timesteps have `log(sqrt(ᾱ)) - log(sqrt(1 - ᾱ))` below a bound.
    fileprivate func countOfLambdas(below bound: Double) -> Int {
        guard bound.isFinite else { return 0 }
        return alphasCumulative.count { alpha in
            Double(log(alpha.squareRoot()) - log((1 - alpha).squareRoot())) < bound
        }
    }
}

/// The table between its entries; its ends beyond them.
private func interpolated(_ table: [Float], at position: Double) -> Double {
    let low = Int(position.rounded(.down))
    guard low >= 0 else { return Double(table[0]) }
    guard low < table.count - 1 else { return Double(table[table.count - 1]) }
    let (before, after) = (Double(table[low]), Double(table[low + 1]))
    return (after - before) * (position - Double(low)) + before
}
