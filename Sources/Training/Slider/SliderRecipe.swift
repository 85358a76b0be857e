import Adapters

/// Everything that determines a slider: the model it is for, the concept, the layers it changes, and how long it learns.
public struct SliderRecipe: AdapterRecipe {
    /// The name of the slider, and of its file.
    public var name: String
    /// Seeds the factors, the noise and the order of the entries.
    public var seed: UInt64 = 0
    /// A model folder, a checkpoint file, or an embedded model's name.
    public var model: String
    /// The entries of a text slider.
    public var prompts: [SliderPrompt]?
    /// Attributes that are to stay: each entry is repeated with each of them before its prompts.
    public var preserve: [String]?
    /// The pictures of a visual slider.
    public var pairs: Pairs?
    public var network = Network()
    public var training: Stage
    /// The share of the noise, from pure noise as 1, from which on the slider acts and has to learn; all of it when nil.
    /// Before that the plain model lays the picture out.
    public var start: Double?
    /// What the slider is to move, as probes read it (`age`): early stops and reports look at it.
    public var trait: String?
    /// Sliders that act while this one learns, in every evaluation: it is taught to work beside them.
    public var stack: [Companion]?
    /// Whether the slider is kept orthogonal to those of the stack, at every layer.
    public var orthogonal: Bool?
    /// Formats in which it is written, too: `kohya`, `peft`, ...
    public var formats: [String]?

    /// A slider beside which another one learns.
    public struct Companion: Codable, Sendable, Hashable {
        /// A path from the recipe's folder.
        public var slider: String
        /// In its own units where it is calibrated.
        public var scale: Double
    }

    /// Folders of pictures that differ in one thing only; files of the same name belong together.
    public struct Pairs: Codable, Sendable, Hashable {
        public struct Level: Codable, Sendable, Hashable {
            public var folder: String
            /// The slider's scale at which its pictures are to come out; every scale has its opposite.
            public var scale: Double
        }

        /// Scenes of the embedded model's world that differ in one attribute: pictures that need no files.
        public struct World: Codable, Sendable, Hashable {
            /// `age`, `age=0.1,0.9` or `hat=none,beanie`: values from the lowest level to the highest.
            public var attribute: String
            /// The slider's scale of each level, rising.
            public var scales: [Double]
            public var count: Int
            public var seed: UInt64?
            /// What all scenes have, `family=portrait,hat=none`.
            public var attributes: String?
        }

        /// What of its pairs a visual slider learns.
        public enum Objective: String, Codable, Sendable, CaseIterable {
            /// The pictures themselves, as the original: what they share is learnt, too.
            case pictures
            /// What sets the two pictures of a pair apart, and nothing else.
            case difference
        }

        public var levels: [Level]?
        public var world: World?
        /// Nil for `pictures`.
        public var objective: Objective?
        /// Prompts of the pictures with the concept and without it; empty ones when nil.
        public var positive: String?
        public var neutral: String?
        public var resolution: Int?
    }

    /// The layers that get factors, and how many.
    public struct Network: Codable, Sendable, Hashable {
        /// `lierla` (attention) or `c3lier` (convolutions, too).
        public var type = "c3lier"
        public var rank: SliderRank = 4
        public var alpha = 1.0
        /// `full`, `noxattn`, `selfattn`, `xattn`, `xattn-strict`, `noxattn-hspace`, ...
        public var trainingMethod = "noxattn"

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
        public enum Directions: String, Codable, Sendable, CaseIterable { case positive, both }

        /// What is copied from the original trainer although it is a flaw.
        public enum Parity: String, Codable, Sendable, CaseIterable { case none, upstream }

        /// The denoising runs whose latents text sliders learn at.
        public struct Runs: Codable, Sendable, Hashable {
            public var steps = 50
            public var guidanceScale = 3.0
            /// Runs that are kept, so that their latents serve several steps of the training; nil makes one for each
            /// draw, as the original.
            public var kept: Int?
            /// Steps of the training after which the oldest of the kept runs is made anew.
            public var renewEvery: Int?
        }

        public var steps: Int
        /// Draws of a step, each with an entry, a timestep and noise of its own.
        public var draws = 1
        public var optimizer: OptimizerRecipe
        /// What text sliders need, and visual ones leave out.
        public var runs: Runs? = Runs()
        /// Whether a text slider is taught its negative side, too, or leaves that to linearity, as the original. Visual
        /// sliders leave it out: they always learn both sides.
        public var directions: Directions? = .positive
        /// `upstream` tells the network a timestep that is 19 too high, as the original does with its 50 steps.
        public var parity: Parity?
        public var samplesEvery = 500
        public var checkpointEvery = 100
        /// Whether blocks are run again in the backward pass instead of being kept: less memory, the same gradients.
        public var checkpointsBlocks: Bool?
        /// When to end before the last step; never when nil.
        public var stop: SliderStop?
    }

    /// The files that the result depends on.
    public var inputs: [String] { (stack ?? []).map(\.slider) }

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
            try require(
                (pairs.levels == nil) != (pairs.world == nil), "pairs", "levels or a world",
                pairs.levels == nil ? "neither" : "both")
            let scales = pairs.world?.scales ?? pairs.levels?.map(\.scale) ?? []
            try require(
                !scales.isEmpty && scales.allSatisfy { $0 != 0 && $0.isFinite && scales.contains(-$0) },
                pairs.world == nil ? "pairs.levels" : "pairs.world.scales", "for every scale its opposite", scales)
            try require(
                (1...10_000).contains(pairs.world?.count ?? 1), "pairs.world.count", "1 to 10000",
                pairs.world?.count ?? 1)
        }
        try require((start ?? 1) > 0 && (start ?? 1) <= 1, "start", "a number over 0, at most 1", start ?? 1)
        _ = try network.target()
        try require(
            (1...1024).contains(network.rank.value ?? 1), "network.rank", "1 to 1024, or full", network.rank)
        try require(
            network.alpha > 0 && network.alpha.isFinite, "network.alpha", "a positive number", network.alpha)
        let stage = training
        if pairs == nil {
            try require(
                stage.runs != nil, "training.runs",
                "the denoising runs of a text slider, such as {steps: 20, guidance_scale: 3}", "none")
            try require(
                stage.directions != nil, "training.directions", "positive or both, for a text slider", "none")
        }
        for (key, value, range) in [
            ("steps", stage.steps, 1...10_000_000), ("draws", stage.draws, 1...256),
            ("runs.steps", stage.runs?.steps ?? 2, 2...1000), ("runs.kept", stage.runs?.kept ?? 1, 1...1000),
            ("runs.renew_every", stage.runs?.renewEvery ?? 1, 1...1_000_000),
            ("samples_every", stage.samplesEvery, 1...10_000_000),
            ("checkpoint_every", stage.checkpointEvery, 1...10_000_000),
        ] {
            try require(
                range.contains(value), "training.\(key)", "\(range.lowerBound) to \(range.upperBound)", value)
        }
        try stage.optimizer.validate("training.optimizer")
        try stage.stop?.validate("training.stop")
        try require(
            stage.stop == nil || trait != nil, "trait", "the trait that training.stop is to measure", "none")
        for (index, companion) in (stack ?? []).enumerated() {
            try require(
                (-1000...1000).contains(companion.scale), "stack[\(index)].scale", "-1000 to 1000", companion.scale)
        }
        try require(
            !(orthogonal ?? false) || !(stack ?? []).isEmpty, "orthogonal", "a stack to be orthogonal to", "none")
        for name in formats ?? [] {
            let known = AdapterFormat.all.map(\.name)
            try require(known.contains(name), "formats", "any of \(known.joined(separator: ", "))", name)
            let holdsFull = [AdapterFormat.kohya.name, AdapterFormat.sliders.name].contains(name)
            try require(
                network.rank.value != nil || holdsFull, "formats", "kohya or sliders beside rank: full", name)
        }
    }
}
