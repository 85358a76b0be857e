/// A solver by name, with what must be known to make it.
public struct SamplingMethod: Sendable {
    /// stable-diffusion.cpp's spelling, such as `dpm++2m`.
    public let name: String
    /// For people, such as `DPM++ 2M`.
    public let title: String
    /// Names that do not follow from the others, such as diffusers' class.
    let aliases: [String]
    let family: Family
    /// The timestep spacing when the configuration names none.
    let defaultSpacing: TimestepSpacing
    /// The eta when none is asked for; nil for methods that know none.
    public let defaultEta: Float?
    /// Throws when a configuration whose class is this method's means another mode of it.
    let check: @Sendable (SchedulerConfiguration) throws(SamplerError) -> Void
    let solver: @Sendable (SolverContext) throws(SamplerError) -> any Solver

    /// Every method there is.
    public static let all: [SamplingMethod] = [
        .ddim, .pndm, .euler, .eulerAncestral, .heun, .dpm2, .dpmPlusPlus2M, .dpmPlusPlus2MSDE, .dpmPlusPlusSDE, .uniPC,
        .lcm, .tcd, .flowEuler,
    ]

    init(
        name: String, title: String, aliases: [String], family: Family, defaultSpacing: TimestepSpacing = .linspace,
        defaultEta: Float? = nil,
        check: @escaping @Sendable (SchedulerConfiguration) throws(SamplerError) -> Void = { _ in },
        solver: @escaping @Sendable (SolverContext) throws(SamplerError) -> any Solver
    ) {
        self.name = name
        self.title = title
        self.aliases = aliases
        self.family = family
        self.defaultSpacing = defaultSpacing
        self.defaultEta = defaultEta
        self.check = check
        self.solver = solver
    }

    /// Finds a method by its name, title or alias, with the schedule that may follow it.
    ///
    /// Case, spaces, `-` and `_` do not matter, and `pp` is `++`: `DPM++ 2M Karras`, `dpmpp-2m`, `dpmpp_2m_karras`,
    /// `ddim_trailing`.
    /// - Throws: `SamplerError.unknownMethod` with the known names and, when one is near, a suggestion.
    public static func find(
        _ name: String
    ) throws(SamplerError) -> (method: SamplingMethod, schedule: SamplingSchedule?) {
        let wanted = folded(name)
        if let method = all.first(where: { $0.answers(to: wanted) }) { return (method, nil) }
        for schedule in SamplingSchedule.all where wanted.hasSuffix(folded(schedule.name)) {
            let stem = String(wanted.dropLast(folded(schedule.name).count))
            if let method = all.first(where: { $0.answers(to: stem) }) { return (method, schedule) }
        }
        let known = all.map(\.name)
        throw .unknownMethod(name, known: known, suggestion: suggestion(for: name, among: known))
    }

    private func answers(to wanted: String) -> Bool {
        ([name, title] + aliases).contains { folded($0) == wanted }
    }

    /// The schedules that it can follow.
    public var schedules: [SamplingSchedule] { family.schedules }

    /// What a model may predict for it.
    public var predictions: [PredictionType] { family.predictions }
}

extension SamplingMethod {
    /// What methods have in common beyond their arithmetic.
    enum Family: Sendable {
        /// Walks over sigmas, from wherever they come.
        case sigmas
        /// Walks over training timesteps.
        case timesteps
        /// Walks over the timesteps that a model was distilled for.
        case distilled
        /// Walks from noise to data in a straight line; sigma is the share of noise.
        case flow

        var schedules: [SamplingSchedule] {
            switch self {
            case .sigmas: SamplingSchedule.all
            case .timesteps: [.discrete] + TimestepSpacing.allCases.map { .timesteps($0) }
            case .distilled: [.discrete]
            case .flow:
                [.discrete] + [SigmaSpacing.karras, .exponential, .beta].map { .sigmas($0) }
                    + [.timesteps(.linspace), .timesteps(.trailing)]
            }
        }

        var predictions: [PredictionType] { self == .flow ? [.flow] : [.epsilon, .velocity, .sample] }
    }
}
