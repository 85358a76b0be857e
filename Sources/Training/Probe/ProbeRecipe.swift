public import Generation
public import Measurement
public import Recipes
import World

/// Everything that determines a probe: which pictures it learns from, its shape, and how long.
public struct ProbeRecipe: Codable, DerivableRecipe, Sendable {
    public var name: String
    /// Seeds weights and the order of the pictures.
    public var seed: UInt64
    public var data: Data
    public var probe: ProbeConfiguration
    public var training: Stage

    /// Pictures of the world, half of them after a round trip through an autoencoder.
    public struct Data: Codable, Sendable {
        /// Scenes 0..<count of this seed are learnt from; those of `held_out_seed` judge the probe.
        public var seed: UInt64
        public var count: Int
        /// A choice among the family's traits whose classes are learnt from equally often; nil for scenes as they come.
        /// Scenes that judge the probe always are as they come.
        public var balanced: String?
        public var heldOutSeed: UInt64
        public var heldOutCount: Int
        /// The model whose autoencoder makes the round trips: an embedded model's name, or a folder.
        public var autoencoder: String
        /// Pictures that make the round trip once, before the training.
        public var roundTrips: Int
    }

    public struct Stage: Codable, Sendable {
        public var steps: Int
        public var batch: Int
        public var shards: Int?
        /// The numbers that products are made of; nil for `fp32`.
        public var precision: Precision?
        public var optimizer: OptimizerRecipe
        public var checkpointEvery: Int
    }

    /// The scenes that are learnt from.
    var scenes: FamilyScenes { FamilyScenes(probe.family, seed: data.seed, balanced: data.balanced) }

    /// Checks what the types cannot say, before any memory or time is spent.
    func validate() throws {
        func require(_ condition: Bool, _ key: String, _ expected: String, _ found: Any) throws {
            guard condition else {
                throw TrainingError.invalidRecipe(key: key, expected: expected, found: "\(found)")
            }
        }
        try require((1...10_000_000).contains(data.count), "data.count", "1 to 10000000 pictures", data.count)
        try require(
            (2...1_000_000).contains(data.heldOutCount), "data.held_out_count", "2 to 1000000 pictures",
            data.heldOutCount)
        try require(
            data.heldOutSeed != data.seed, "data.held_out_seed", "another seed than data.seed", data.heldOutSeed)
        try require(
            (1...100_000).contains(data.roundTrips), "data.round_trips", "1 to 100000 pictures", data.roundTrips)
        try require((1...100_000_000).contains(training.steps), "training.steps", "1 to 100000000", training.steps)
        try require((2...4096).contains(training.batch), "training.batch", "2 to 4096", training.batch)
        if let balanced = data.balanced {
            let choices = probe.traits.compactMap { trait in
                if case .choice = trait.kind { trait.name } else { nil }
            }
            try require(
                choices.contains(balanced), "data.balanced", "one of \(choices.joined(separator: ", "))", balanced)
        }
        let shards = training.shards ?? 1
        try require(
            shards > 0 && training.batch % shards == 0, "training.shards", "a divisor of the batch (\(training.batch))",
            shards)
        try require(
            (1...100_000_000).contains(training.checkpointEvery), "training.checkpoint_every", "1 to 100000000",
            training.checkpointEvery)
        try training.optimizer.validate("training.optimizer")
        try probe.validate()
    }
}
