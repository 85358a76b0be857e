/// Where the steps of a trajectory lie: on training timesteps, or on sigmas of their own.
public enum SamplingSchedule: Sendable, Equatable {
    /// The configuration's own timesteps, without a sigma spacing.
    case discrete
    case timesteps(TimestepSpacing)
    /// The sigmas of a spacing; the configuration's timesteps give its range.
    case sigmas(SigmaSpacing)

    /// Every schedule there is.
    public static let all: [SamplingSchedule] =
        [.discrete] + SigmaSpacing.all.map { .sigmas($0) } + TimestepSpacing.allCases.map { .timesteps($0) }

    /// stable-diffusion.cpp's spelling, such as `karras`.
    public var name: String {
        switch self {
        case .discrete: "discrete"
        case .timesteps(let spacing): spacing.rawValue
        case .sigmas(let spacing): spacing.name
        }
    }

    /// A1111's name where it has one, such as `Karras`.
    public var title: String {
        switch self {
        case .discrete: "Uniform"
        case .timesteps(.trailing): "SGM Uniform"
        case .timesteps(let spacing): spacing.rawValue
        // A1111 has one name for both, and looks at the model.
        case .sigmas(let spacing): spacing.title.hasPrefix("Align Your Steps") ? "Align Your Steps" : spacing.title
        }
    }

    /// A1111's and diffusers' names.
    private var aliases: [String] {
        switch self {
        case .discrete: ["normal", "uniform"]
        // diffusers' documentation translates A1111's `SGM Uniform` so; `Simple` is at most one timestep elsewhere.
        case .timesteps(.trailing): ["sgm_uniform", "simple"]
        case .timesteps: []
        case .sigmas(let spacing): [spacing.title, spacing.configurationKey] + spacing.aliases
        }
    }

    /// Finds a schedule by its name or alias, however it is spelled; nil for A1111's `Automatic`, which leaves the choice
    /// to the sampler's name and the model.
    ///
    /// - Throws: `SamplerError.unknownSchedule` with the known names and, when one is near, a suggestion.
    public static func find(_ name: String) throws(SamplerError) -> SamplingSchedule? {
        let wanted = folded(name)
        if wanted == "automatic" { return nil }
        if let schedule = all.first(where: { $0.answers(to: wanted) }) { return schedule }
        let known = all.map(\.name)
        throw .unknownSchedule(name, known: known, suggestion: suggestion(for: name, among: known))
    }

    func answers(to wanted: String) -> Bool { ([name] + aliases).contains { folded($0) == wanted } }

    /// Sets it in a configuration, in place of the one there.
    func apply(to configuration: inout SchedulerConfiguration) {
        configuration.sigmaSpacing = nil
        switch self {
        case .discrete: break
        case .timesteps(let spacing): configuration.timestepSpacing = spacing
        case .sigmas(let spacing): configuration.sigmaSpacing = spacing
        }
    }
}
