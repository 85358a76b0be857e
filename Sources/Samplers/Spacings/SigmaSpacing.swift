/// A way to place the sigmas of a trajectory, apart from the timesteps of training.
///
/// To add one: a file like `Karras.swift` and its line in `all`.
public struct SigmaSpacing: Sendable {
    /// As users write it, such as `karras`.
    public let name: String
    /// For people, such as `Karras`.
    public let title: String
    let aliases: [String]
    /// The key of `scheduler_config.json` that is true when it is chosen.
    let configurationKey: String
    /// Whether diffusers rounds the timesteps of these sigmas for models that know whole ones only; it truncates
    /// others.
    let roundsTimesteps: Bool
    /// From the largest sigma, the smallest and their number to the falling list.
    let sigmas: @Sendable (_ largest: Double, _ smallest: Double, _ count: Int) -> [Double]

    public static let all: [SigmaSpacing] = [.karras, .exponential, .beta, .ays, .aysXL]

    init(
        name: String, title: String, aliases: [String] = [], configurationKey: String, roundsTimesteps: Bool,
        sigmas: @escaping @Sendable (_ largest: Double, _ smallest: Double, _ count: Int) -> [Double]
    ) {
        self.name = name
        self.title = title
        self.aliases = aliases
        self.configurationKey = configurationKey
        self.roundsTimesteps = roundsTimesteps
        self.sigmas = sigmas
    }
}

extension SigmaSpacing: Equatable {
    public static func == (a: SigmaSpacing, b: SigmaSpacing) -> Bool { a.name == b.name }
}
