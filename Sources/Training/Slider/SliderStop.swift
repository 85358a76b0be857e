/// When a slider has learnt enough: it is measured while it learns, by pictures of the world and a probe.
///
///     saturated: none of the last `patience` effects is more than `growth` above the best one before them
///     reached:   the effect is at least `effect`
///     drifted:   the drift of features is above `drift`; the slider of the check before is what is written
public struct SliderStop: Codable, Sendable, Hashable {
    /// Steps from one check to the next.
    public var every: Int
    /// Pictures of a check, each with a prompt of its own; 8 when nil.
    public var pictures: Int?
    /// Steps of their sampling; 10 when nil.
    public var samplingSteps: Int?
    /// The effect of scale 1, as a share of the trait's range, that is enough.
    public var effect: Double?
    /// How much an effect has to grow; 0.01 of the range when nil.
    public var growth: Double?
    /// Checks without growth after which it ends; 3 when nil.
    public var patience: Int?
    /// The largest drift of the probe's features at scale 1 that is borne.
    public var drift: Double?
    /// The folder of the probes, from the recipe's folder; the embedded ones when nil.
    public var probes: String?

    func validate(_ key: String) throws {
        func require(_ condition: Bool, _ name: String, _ expected: String, _ found: Any) throws {
            guard condition else {
                throw TrainingError.invalidRecipe(key: "\(key).\(name)", expected: expected, found: "\(found)")
            }
        }
        try require((1...10_000_000).contains(every), "every", "1 to 10000000", every)
        try require((1...1000).contains(pictures ?? 1), "pictures", "1 to 1000", pictures ?? 1)
        try require((1...1000).contains(samplingSteps ?? 1), "sampling_steps", "1 to 1000", samplingSteps ?? 1)
        try require((1...1000).contains(patience ?? 1), "patience", "1 to 1000", patience ?? 1)
        for (name, value) in [("effect", effect), ("growth", growth), ("drift", drift)] {
            try require((value ?? 1) > 0 && (value ?? 1).isFinite, name, "a positive number", value ?? 1)
        }
    }

    /// What a check found.
    struct Check: Sendable, Equatable {
        var step: Int
        var effect: Float
        var drift: Float
    }

    /// Why a training ends after these checks; nil to go on.
    func reason(_ checks: [Check]) -> Reason? {
        guard let last = checks.last else { return nil }
        if let drift, Double(last.drift) > drift { return .drifted }
        if let effect, Double(last.effect) >= effect { return .reached }
        let patience = patience ?? 3
        guard checks.count > patience else { return nil }
        let before = checks.dropLast(patience).map(\.effect).max() ?? 0
        let recent = checks.suffix(patience).map(\.effect).max() ?? 0
        return Double(recent) <= Double(before) + (growth ?? 0.01) ? .saturated : nil
    }

    enum Reason: Sendable { case saturated, reached, drifted }
}
