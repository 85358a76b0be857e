import Adapters

/// Everything that determines a plain LoRA, or a DreamBooth with its class of prior pictures.
public struct LoRARecipe: AdapterRecipe {
    /// The name of the adapter, and of its files.
    public var name: String
    /// Seeds the factors, the noise and the order of the pictures; 0 when nil.
    public var seed: UInt64?
    /// A model folder, a checkpoint file, or an embedded model's name.
    public var model: String
    /// Folders of pictures.
    public var data: [Folder]
    /// What the model is to keep of its own (DreamBooth's prior preservation).
    public var prior: Prior?
    public var network: Network
    public var training: Stage
    /// The formats that are written: kohya, peft, ...; kohya alone when nil.
    public var formats: [String]?

    /// A folder of pictures, each with a caption in a text file of its name, or all with one prompt.
    public struct Folder: Codable, Sendable, Hashable {
        public var folder: String
        /// The caption of pictures without a text file: `a sbu dog`.
        public var prompt: String?
        /// How often each picture counts; 1 when nil.
        public var repeats: Int?

        public init(folder: String, prompt: String? = nil, repeats: Int? = nil) {
            self.folder = folder
            self.prompt = prompt
            self.repeats = repeats
        }
    }

    /// Pictures that the model draws itself before it learns, and that it must go on drawing.
    public struct Prior: Codable, Sendable, Hashable {
        public var prompt: String
        public var count: Int
        /// Of their loss; 1 when nil.
        public var weight: Double?

        public init(prompt: String, count: Int, weight: Double? = nil) {
            self.prompt = prompt
            self.count = count
            self.weight = weight
        }
    }

    /// The layers that get factors, and how many.
    public struct Network: Codable, Sendable, Hashable {
        public enum Layers: String, Codable, Sendable, CaseIterable {
            /// Queries, keys, values and outputs of attention, as diffusers' script.
            case attention
            /// Whole transformers, projections and feed-forward parts too, as kohya's.
            case transformers
            /// Residual blocks and samplers besides (LoCon).
            case all
        }

        public var rank: Int
        /// The rank when nil.
        public var alpha: Double?
        /// `transformers` when nil.
        public var layers: Layers?
        /// Whether the text encoders learn, too; at this share of the learning rate.
        public var textEncoderRate: Double?

        public init(rank: Int, alpha: Double? = nil, layers: Layers? = nil, textEncoderRate: Double? = nil) {
            self.rank = rank
            self.alpha = alpha
            self.layers = layers
            self.textEncoderRate = textEncoderRate
        }

        /// The modules of a model that learn.
        func modules(of table: ModuleTable) -> [AdaptableModule] {
            let text = textEncoderRate.map { $0 > 0 } ?? false
            let projections = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
            return table.modules.filter { module in
                guard module.part == "unet" else {
                    return text && projections.contains { module.name.hasSuffix("." + $0) }
                }
                switch layers ?? .transformers {
                case .attention: return [".attn1.", ".attn2."].contains { module.name.contains($0) }
                case .transformers: return module.name.contains("attentions.")
                case .all: return module.name.contains("_block")
                }
            }
        }
    }

    public struct Stage: Codable, Sendable, Hashable {
        public var steps: Int
        /// Draws of a step, each with a picture, a timestep, noise and a crop of its own; 1 when nil.
        public var draws: Int?
        /// The side of the pictures in pixels; the model's own when nil.
        public var resolution: Int?
        /// `center` when nil.
        public var crop: PictureCut.Crop?
        /// `never` when nil.
        public var mirror: PictureCut.Mirror?
        /// The share of draws that learn without a caption; 0 when nil.
        public var promptDropout: Double?
        /// Min-SNR weighting of timesteps; 0, which weighs all alike, when nil.
        public var minSNRGamma: Double?
        /// Whether blocks are run again in the backward pass, which needs less memory.
        public var checkpointsBlocks: Bool?
        public var optimizer: OptimizerRecipe
        /// Prompts of the pictures that are drawn while it learns.
        public var samplePrompts: [String]?
        public var samplesEvery: Int
        public var checkpointEvery: Int

        public init(
            steps: Int, draws: Int? = nil, resolution: Int? = nil, optimizer: OptimizerRecipe,
            samplesEvery: Int = 250, checkpointEvery: Int = 50
        ) {
            self.steps = steps
            self.draws = draws
            self.resolution = resolution
            self.optimizer = optimizer
            self.samplesEvery = samplesEvery
            self.checkpointEvery = checkpointEvery
        }
    }

    public init(name: String, model: String, data: [Folder], network: Network, training: Stage) {
        self.name = name
        self.model = model
        self.data = data
        self.network = network
        self.training = training
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
        try require(!data.isEmpty, "data", "at least one folder of pictures", "none")
        let stage = training
        for (key, value, range) in [
            ("training.steps", stage.steps, 1...10_000_000), ("training.draws", stage.draws ?? 1, 1...256),
            ("training.resolution", stage.resolution ?? 64, 16...4096),
            ("training.samples_every", stage.samplesEvery, 1...10_000_000),
            ("training.checkpoint_every", stage.checkpointEvery, 1...10_000_000),
            ("network.rank", network.rank, 1...1024), ("prior.count", prior?.count ?? 1, 1...100_000),
        ] {
            try require(range.contains(value), key, "\(range.lowerBound) to \(range.upperBound)", value)
        }
        for (index, folder) in data.enumerated() {
            let repeats = folder.repeats ?? 1
            try require((1...10_000).contains(repeats), "data[\(index)].repeats", "1 to 10000", repeats)
        }
        for (key, value, range) in [
            ("network.alpha", network.alpha ?? 1, 1e-6...1e6),
            ("network.text_encoder_rate", network.textEncoderRate ?? 0, 0...100),
            ("prior.weight", prior?.weight ?? 1, 0...1000),
            ("training.prompt_dropout", stage.promptDropout ?? 0, 0...1),
            ("training.min_snr_gamma", stage.minSNRGamma ?? 0, 0...1000),
        ] {
            try require(range.contains(value), key, "\(range.lowerBound) to \(range.upperBound)", value)
        }
        try stage.optimizer.validate("training.optimizer")
        for format in formats ?? [] {
            try require(
                AdapterFormat.all.contains { $0.name == format }, "formats",
                "any of \(AdapterFormat.all.map(\.name).joined(separator: ", "))", format)
        }
    }
}
