import Optimizers

/// How parameters follow their gradients.
public struct OptimizerRecipe: Codable, Sendable, Hashable {
    public enum Kind: String, Codable, Sendable, CaseIterable { case adamw, adam, lion, prodigy }

    /// How the learning rate falls after its warm-up.
    public enum Decay: String, Codable, Sendable, CaseIterable { case constant, linear, cosine }

    /// Nil for `adamw`.
    public var kind: Kind?
    public var learningRate: Double
    /// Nil for `cosine`.
    public var schedule: Decay?
    public var warmupSteps: Int
    public var weightDecay: Double
    public var beta2: Double
    public var clipNorm: Double
    public var emaDecay: Double

    public init(
        kind: Kind? = nil, learningRate: Double, schedule: Decay? = nil, warmupSteps: Int = 0,
        weightDecay: Double = 0.01,
        beta2: Double = 0.999, clipNorm: Double = 1, emaDecay: Double = 0
    ) {
        self.kind = kind
        self.learningRate = learningRate
        self.schedule = schedule
        self.warmupSteps = warmupSteps
        self.weightDecay = weightDecay
        self.beta2 = beta2
        self.clipNorm = clipNorm
        self.emaDecay = emaDecay
    }

    func optimizer(groups: [ParameterGroup]) -> any Optimizer {
        switch kind ?? .adamw {
        case .adamw: AdamW(beta2: beta2, weightDecay: weightDecay, groups: groups)
        case .adam: AdamW(beta2: beta2, weightDecay: weightDecay, isDecayDecoupled: false, groups: groups)
        case .lion: Lion(beta2: beta2, weightDecay: weightDecay)
        case .prodigy: Prodigy(beta2: beta2, weightDecay: weightDecay)
        }
    }

    func rates(totalSteps: Int) -> LearningRateSchedule {
        switch schedule ?? .cosine {
        case .constant: .constant(warmupSteps: warmupSteps)
        case .linear: .linear(warmupSteps: warmupSteps, totalSteps: totalSteps)
        case .cosine: .cosine(warmupSteps: warmupSteps, totalSteps: totalSteps)
        }
    }

    /// Checks the numbers before any memory or time is spent.
    ///
    /// - Parameter key: where the recipe has them, such as `denoiser.optimizer`.
    func validate(_ key: String) throws {
        func require(_ condition: Bool, _ name: String, _ expected: String, _ found: Any) throws {
            guard condition else {
                throw TrainingError.invalidRecipe(key: "\(key).\(name)", expected: expected, found: "\(found)")
            }
        }
        try require(
            learningRate > 0 && learningRate.isFinite, "learning_rate", "a positive number", learningRate)
        try require((0..<1).contains(emaDecay), "ema_decay", "0 to below 1", emaDecay)
        try require((0..<1).contains(beta2), "beta2", "0 to below 1", beta2)
        try require((0...10).contains(weightDecay), "weight_decay", "0 to 10", weightDecay)
        try require((0...100_000_000).contains(warmupSteps), "warmup_steps", "0 to 100000000", warmupSteps)
        try require(clipNorm > 0, "clip_norm", "a positive number", clipNorm)
    }
}
