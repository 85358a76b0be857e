/// Everything that determines a style learnt from pairs of pictures: the model it is for, the pictures, and how it
/// learns.
public struct PairRecipe: AdapterRecipe {
    /// The name of the style, and of its file.
    public var name: String
    /// Seeds the bases, the noise and the crops; 0 when nil.
    public var seed: UInt64?
    /// A model folder, a checkpoint file, or an embedded model's name.
    public var model: String
    /// What follows a prompt where the style acts: `in ink style`. A describing word learns better than a rare one.
    public var phrase: String
    public var pairs: [Pair]
    /// `pair` when nil.
    public var method: Method?
    public var network: Network?
    public var training: Stage
    /// The strength and start that the file recommends; 3 and 0.8 when nil.
    public var strength: Double?
    public var start: Double?

    /// One content in two looks. Pictures of different sizes: the content picture takes the style picture's size, both
    /// are scaled so that the shorter side is the resolution, and one square is cut out of both at the same place.
    public struct Pair: Codable, Sendable, Hashable {
        public var content: String
        public var style: String
        /// What the content picture shows, with a rare word for what is its own: `a photo of a sbu dog`. The style
        /// picture's prompt is this and the phrase.
        public var prompt: String
    }

    public enum Method: String, Codable, Sendable, CaseIterable {
        /// Content and style in disjoint rows, learnt together.
        case pair
        /// The baseline: one plain LoRA on the style picture alone (DreamBooth-LoRA).
        case dreambooth
    }

    /// Ranks of the two adapters; 64, or half of the narrowest layer where that is less, when nil.
    public struct Network: Codable, Sendable, Hashable {
        public var contentRank: Int?
        public var styleRank: Int?

        public init(contentRank: Int? = nil, styleRank: Int? = nil) {
            self.contentRank = contentRank
            self.styleRank = styleRank
        }
    }

    public struct Stage: Codable, Sendable, Hashable {
        public var steps: Int
        /// The first step in which the style learns; the content learns in all. A third of the steps when nil.
        public var styleFrom: Int?
        /// Draws of a step, each with a pair, a timestep, noise and a crop of its own; 1 when nil.
        public var draws: Int?
        /// The side of the pictures in pixels; the model's own when nil.
        public var resolution: Int?
        /// `random` when nil; square pictures have one crop anyway.
        public var crop: PictureCut.Crop?
        /// `never` when nil.
        public var mirror: PictureCut.Mirror?
        /// Whether blocks are run again in the backward pass, which needs less memory.
        public var checkpointsBlocks: Bool?
        public var optimizer: OptimizerRecipe
        /// Prompts of the pictures that are drawn while it learns; those of the pairs when nil.
        public var samplePrompts: [String]?
        public var samplesEvery: Int
        public var checkpointEvery: Int

        public init(
            steps: Int, styleFrom: Int? = nil, draws: Int? = nil, resolution: Int? = nil, optimizer: OptimizerRecipe,
            samplesEvery: Int = 250, checkpointEvery: Int = 50
        ) {
            self.steps = steps
            self.styleFrom = styleFrom
            self.draws = draws
            self.resolution = resolution
            self.optimizer = optimizer
            self.samplesEvery = samplesEvery
            self.checkpointEvery = checkpointEvery
        }

        var firstStyleStep: Int { styleFrom ?? steps / 3 }
    }

    public init(name: String, model: String, phrase: String, pairs: [Pair], training: Stage) {
        self.name = name
        self.model = model
        self.phrase = phrase
        self.pairs = pairs
        self.training = training
    }

    /// What the file recommends.
    var recommended: (strength: Double, start: Double) { (strength ?? 3, start ?? 0.8) }

    var isBaseline: Bool { method == .dreambooth }

    /// The same pictures learnt by the baseline: as many steps as the style has here.
    public var baseline: PairRecipe {
        guard !isBaseline else { return self }
        var copy = self
        copy.method = .dreambooth
        copy.name = name + "-dreambooth"
        copy.training.steps = training.steps - training.firstStyleStep
        copy.training.styleFrom = 0
        return copy
    }

    /// Checks what the types cannot say, before any model is loaded.
    public func validate() throws {
        func require(_ condition: Bool, _ key: String, _ expected: String, _ found: Any) throws {
            guard condition else {
                throw TrainingError.invalidRecipe(key: key, expected: expected, found: "\(found)")
            }
        }
        try require(
            !name.isEmpty && !name.contains("/") && !name.hasPrefix("."), "name", "a name that can name a file", name)
        try require(!pairs.isEmpty, "pairs", "at least one pair of pictures", "none")
        try require(!phrase.isEmpty, "phrase", "what follows a prompt in the style, such as 'in ink style'", "nothing")
        for (index, pair) in pairs.enumerated() {
            try require(!pair.prompt.isEmpty, "pairs[\(index)].prompt", "what the picture shows", "nothing")
        }
        let stage = training
        for (key, value, range) in [
            ("training.steps", stage.steps, 1...10_000_000), ("training.draws", stage.draws ?? 1, 1...256),
            ("training.style_from", stage.firstStyleStep, 0...max(stage.steps - 1, 0)),
            ("training.resolution", stage.resolution ?? 64, 16...4096),
            ("training.samples_every", stage.samplesEvery, 1...10_000_000),
            ("training.checkpoint_every", stage.checkpointEvery, 1...10_000_000),
            ("network.content_rank", network?.contentRank ?? 1, 1...1024),
            ("network.style_rank", network?.styleRank ?? 1, 1...1024),
        ] {
            try require(range.contains(value), key, "\(range.lowerBound) to \(range.upperBound)", value)
        }
        try require((0...1000).contains(strength ?? 3), "strength", "0 to 1000", strength ?? 3)
        try require((0...1).contains(start ?? 1), "start", "0 to 1", start ?? 1)
        try stage.optimizer.validate("training.optimizer")
    }
}
