/// A way to place the sigmas of a trajectory, apart from the timesteps of training.
///
/// To add one: a file like `Karras.swift` and its line in `all`.
public struct SigmaSpacing: Sendable {
    /// As users write it, such as `karras`.
    public let name: String
    /// The key of `scheduler_config.json` that is true when it is chosen.
    let configurationKey: String
    /// From the largest sigma, the smallest and their number to the falling list.
    let sigmas: @Sendable (_ largest: Double, _ smallest: Double, _ count: Int) -> [Double]

    public static let all: [SigmaSpacing] = [.karras]
}

extension SigmaSpacing: Equatable {
    public static func == (a: SigmaSpacing, b: SigmaSpacing) -> Bool { a.name == b.name }
}
