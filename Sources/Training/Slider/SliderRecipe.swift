import Adapters

/// Everything that determines a slider: the model it is for, the concept, the layers it changes, and how long it learns.
public struct SliderRecipe: Codable, Sendable {
    /// The name of the slider, and of its file.
    public var name: String
    /// Seeds the factors, the noise and the order of the entries.
    public var seed: UInt64
    /// A model folder, a checkpoint file, or an embedded model's name.
    public var model: String
    /// The entries of a text slider.
    public var prompts: [SliderPrompt]?
    /// Attributes that are to stay: each entry is repeated with each of them before its prompts.
    public var preserve: [String]?
    /// The pictures of a visual slider.
    public var pairs: Pairs?
    public var network: Network
    public var training: Stage

    /// Folders of pictures that differ in one thing only; files of the same name belong together.
    public struct Pairs: Codable, Sendable, Hashable {
        public struct Level: Codable, Sendable, Hashable {
            public var folder: String
            /// The slider's scale at which its pictures are to come out; every scale has its opposite.
            public var scale: Double

            public init(folder: String, scale: Double) {
                self.folder = folder
                self.scale = scale
            }
        }

        public var levels: [Level]
        /// Prompts of the pictures with the concept and without it; empty ones when nil.
        public var positive: String?
        public var neutral: String?
        public var resolution: Int?

        public init(levels: [Level], positive: String? = nil, neutral: String? = nil, resolution: Int? = nil) {
            self.levels = levels
            self.positive = positive
            self.neutral = neutral
            self.resolution = resolution
        }
    }

    /// The layers that get factors, and how many.
    public struct Network: Codable, Sendable, Hashable {
        /// `lierla` (attention) or `c3lier` (convolutions, too).
        public var type: String
        public var rank: Int
        public var alpha: Double
        /// `full`, `noxattn`, `selfattn`, `xattn`, `xattn-strict`, `noxattn-hspace`, ...
        public var trainingMethod: String

        public init(type: String = "c3lier", rank: Int = 4, alpha: Double = 1, trainingMethod: String = "noxattn") {
            self.type = type
            self.rank = rank
            self.alpha = alpha
            self.trainingMethod = trainingMethod
        }

        /// - Throws: `TrainingError` for names that nothing answers to.
        func target() throws -> SliderTarget {
            func named<Value: RawRepresentable & CaseIterable>(_ key: String, _ name: String) throws -> Value
            where Value.RawValue == String {
                guard let value = Value(rawValue: name) else {
                    throw TrainingError.invalidRecipe(
                        key: "network.\(key)",
                        expected: "one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))", found: name)
                }
                return value
            }
            return SliderTarget(try named("type", type), try named("training_method", trainingMethod))
        }
    }

    public struct Stage: Codable, Sendable, Hashable {
        public enum Directions: String, Codable, Sendable { case positive, both }

        /// What is copied from the original trainer although it is a flaw.
        public enum Parity: String, Codable, Sendable { case none, upstream }

        public var steps: Int
        /// Draws of a step, each with an entry, a timestep and noise of its own.
        public var draws: Int
        public var optimizer: OptimizerRecipe
        /// Steps of the denoising runs whose latents are learnt from (text sliders).
        public var denoisingSteps: Int
        /// The guidance scale of those runs.
        public var denoisingGuidanceScale: Double
        /// Runs that are kept, so that their latents serve several steps; nil makes one for each draw, as the original.
        public var keptRuns: Int?
        /// Steps after which the oldest of the kept runs is made anew.
        public var renewEvery: Int?
        /// Whether a text slider is taught its negative side, too, or leaves that to linearity, as the original.
        public var directions: Directions
        /// `upstream` tells the network a timestep that is 19 too high, as the original does with its 50 steps.
        public var parity: Parity?
        public var samplesEvery: Int
        public var checkpointEvery: Int

        public init(
            steps: Int, draws: Int = 1, optimizer: OptimizerRecipe, denoisingSteps: Int = 50,
            denoisingGuidanceScale: Double = 3, keptRuns: Int? = nil, renewEvery: Int? = nil,
            directions: Directions = .positive, parity: Parity? = nil, samplesEvery: Int = 500,
            checkpointEvery: Int = 100
        ) {
            self.steps = steps
            self.draws = draws
            self.optimizer = optimizer
            self.denoisingSteps = denoisingSteps
            self.denoisingGuidanceScale = denoisingGuidanceScale
            self.keptRuns = keptRuns
            self.renewEvery = renewEvery
            self.directions = directions
            self.parity = parity
            self.samplesEvery = samplesEvery
            self.checkpointEvery = checkpointEvery
        }
    }

    public init(
        name: String, seed: UInt64 = 0, model: String, prompts: [SliderPrompt]? = nil, preserve: [String]? = nil,
        pairs: Pairs? = nil, network: Network = Network(), training: Stage
    ) {
        self.name = name
        self.seed = seed
        self.model = model
        self.prompts = prompts
        self.preserve = preserve
        self.pairs = pairs
        self.network = network
        self.training = training
    }

    /// The entries, each with each attribute that is to stay.
    var entries: [SliderPrompt] {
        let prompts = prompts ?? []
        guard let preserve, !preserve.isEmpty else { return prompts }
        return prompts.flatMap { prompt in preserve.map { prompt.preserving($0) } }
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
        try require(
            (prompts == nil) != (pairs == nil), "prompts", "prompts or pairs",
            prompts == nil ? "neither" : "both")
        if let prompts {
            try require(!prompts.isEmpty, "prompts", "at least one entry", "none")
            for (index, prompt) in prompts.enumerated() {
                let key = "prompts[\(index)]"
                try require(!prompt.target.isEmpty, "\(key).target", "a prompt", "an empty one")
                try require(
                    (-1000...1000).contains(prompt.guidanceScale), "\(key).guidance_scale", "-1000 to 1000",
                    prompt.guidanceScale)
                try require((1...64).contains(prompt.batchSize), "\(key).batch_size", "1 to 64", prompt.batchSize)
                try require(
                    (64...4096).contains(prompt.resolution ?? 64), "\(key).resolution", "64 to 4096 pixels",
                    prompt.resolution ?? 64)
            }
        }
        if let pairs {
            let scales = pairs.levels.map(\.scale)
            try require(
                !scales.isEmpty && scales.allSatisfy { $0 != 0 && $0.isFinite && scales.contains(-$0) },
                "pairs.levels", "for every scale its opposite", scales)
        }
        _ = try network.target()
        try require((1...1024).contains(network.rank), "network.rank", "1 to 1024", network.rank)
        try require(
            network.alpha > 0 && network.alpha.isFinite, "network.alpha", "a positive number", network.alpha)
        let stage = training
        for (key, value, range) in [
            ("steps", stage.steps, 1...10_000_000), ("draws", stage.draws, 1...256),
            ("denoising_steps", stage.denoisingSteps, 2...1000), ("kept_runs", stage.keptRuns ?? 1, 1...1000),
            ("renew_every", stage.renewEvery ?? 1, 1...1_000_000),
            ("samples_every", stage.samplesEvery, 1...10_000_000),
            ("checkpoint_every", stage.checkpointEvery, 1...10_000_000),
        ] {
            try require(
                range.contains(value), "training.\(key)", "\(range.lowerBound) to \(range.upperBound)", value)
        }
        try stage.optimizer.validate("training.optimizer")
    }
}
