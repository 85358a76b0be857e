internal import TensorCore

/// What the multistep DPM solvers remember: the x0 of the step before.
struct DPMHistory: Sendable {
    private let points: [SigmaPoint]
    /// Whether the last step is of first order.
    private let lowersFinalOrder: Bool
    /// Nil at the start of a trajectory.
    private var previous: Tensor?

    init(_ plan: StepPlan, _ configuration: SchedulerConfiguration) {
        points = plan.points
        lowersFinalOrder =
            configuration.usesEulerAtFinal || configuration.finalSigma == .zero
            || (configuration.lowersFinalOrder && plan.timesteps.count < 15)
    }

    /// How x0 changed over the step before, in units of the coming one; nil where a step is to be of first order.
    ///
    ///     D1 = h / h_previous · (x0 - x0_previous)
    mutating func slope(_ denoised: Tensor, at index: Int) -> Tensor? {
        defer { previous = denoised }
        let isLast = index == points.count - 2
        guard let previous, index > 0, !(isLast && lowersFinalOrder) else { return nil }
        let h = points[index + 1].lambda - points[index].lambda
        let hPrevious = points[index].lambda - points[index - 1].lambda
        return (denoised - previous) * Double(1 / (hPrevious / h))
    }

    /// The checks of a DPMSolverMultistepScheduler's configuration that means one algorithm.
    static func check(
        _ configuration: SchedulerConfiguration, algorithm: String
    ) throws(SamplerError) {
        if configuration.algorithm != algorithm {
            throw .configuration(
                key: "algorithm_type", expected: "dpmsolver++ or sde-dpmsolver++",
                found: "\"\(configuration.algorithm)\"")
        }
        if configuration.solverOrder != 2 {
            throw .configuration(key: "solver_order", expected: "2", found: "\(configuration.solverOrder)")
        }
    }
}
