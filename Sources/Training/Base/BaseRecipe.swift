public import DiffusionModels
public import Generation
public import Recipes
public import Samplers
public import TextModels
public import World

/// Everything that determines a base model trained from scratch: the pictures, the three networks, and how long.
///
/// The same recipe gives the same weights on the same machine.
public struct BaseRecipe: Codable, DerivableRecipe, Sendable {
    /// The name of the model, written into its card.
    public var name: String
    /// Seeds weights, noise and the order of the pictures.
    public var seed: UInt64
    public var data: WorldData
    public var tokenizer: TokenizerRecipe
    public var vae: AutoencoderKLConfiguration
    public var textEncoder: CLIPTextConfiguration
    public var unet: UNet2DConditionConfiguration
    public var scheduler: SchedulerConfiguration
    public var autoencoder: AutoencoderStage
    /// Nil leaves the text encoder to what the UNet teaches it.
    public var reading: ReadingStage?
    public var denoiser: DenoiserStage
    /// What the finished model asks to be drawn with; nil for what is usual.
    public var sampling: Sampling?

    public struct Sampling: Codable, Sendable {
        public var guidanceScale: Double
        public var steps: Int
    }

    /// Which pictures of the world are drawn: scenes 0..<count of the data seed.
    public struct WorldData: Codable, Sendable {
        public var seed: UInt64
        /// Scenes that the autoencoder draws its crops from.
        public var count: Int
        /// Width and height in pixels.
        public var size: Int
        /// Whether scenes with a combination of `HeldOut` are left out, so that a model can be judged by them.
        public var holdingOut: Bool?
        /// The share of portraits, the rest being landscapes; nil for a half.
        public var portraitShare: Double?

        /// The scenes of the data, or of another seed under the same rule.
        func sampler(seed other: UInt64? = nil) -> SceneSampler {
            SceneSampler(seed: other ?? seed, portraitShare: portraitShare ?? 0.5, holdingOut: holdingOut ?? false)
        }
    }

    public struct TokenizerRecipe: Codable, Sendable {
        /// Byte-pair merges learnt from the caption words.
        public var merges: Int
        /// Tokens a prompt, with its start and end.
        public var length: Int
    }

    /// How the autoencoder learns: reconstruction, plus a little pull towards a normal distribution of latents.
    ///
    ///     loss = |x - y| + squared · (x - y)² + edge · |∇x - ∇y| + coarse · Σ |pool(x) - pool(y)| + kl · KL
    ///          + texture · |pool₈(|∇x|) - pool₈(|∇y|)|
    public struct AutoencoderStage: Codable, Sendable {
        public var steps: Int
        public var batch: Int
        /// Parts of a batch that are differentiated side by side; nil for one. More than one changes the last bits.
        public var shards: Int?
        /// The numbers that products are made of; nil for `fp32`.
        public var precision: Precision?
        /// Width and height of the random crops, in pixels.
        public var crop: Int
        public var optimizer: OptimizerRecipe
        public var squaredWeight: Double
        public var edgeWeight: Double
        public var coarseWeight: Double
        /// Asks for as much detail as there was, wherever in an 8x8 square it lies: what latents do not say of a hatching or
        /// a grain is then drawn somehow instead of as grey. Nil for 0.
        public var textureWeight: Double?
        public var klWeight: Double
        /// Trains the decoder alone, on latents with noise of up to this share of their spread, so that it draws well
        /// from latents that are a little off, as a UNet's are; the encoder, and so the latents, stay as they are. Nil
        /// trains both halves.
        public var decoderNoise: Double?
        /// Trains both halves but holds the latents of plain pictures where the warm start has them, so that the encoder
        /// may learn styles and the UNet keeps its meaning: the weight of `LatentAnchor`'s loss. Nil holds nothing.
        public var latentAnchor: Double?
        /// The share of the crops that are drawn in a style other than the plain one, so that styles learnt later have
        /// latents; nil for none.
        public var styledShare: Double?
        /// The logarithm of the latents' variance that the encoder starts with.
        public var initialLogVariance: Double
        public var samplesEvery: Int
        public var checkpointEvery: Int
    }

    /// How the text encoder learns to tell captions apart before the UNet sees them.
    public struct ReadingStage: Codable, Sendable {
        public var steps: Int
        public var batch: Int
        /// The numbers that products are made of; nil for `fp32`.
        public var precision: Precision?
        public var optimizer: OptimizerRecipe
        public var checkpointEvery: Int
    }

    /// How the text encoder and the UNet learn to remove noise from latents.
    public struct DenoiserStage: Codable, Sendable {
        /// Scenes that are encoded once and learnt from, the first of the data.
        public var pictures: Int
        public var steps: Int
        public var batch: Int
        /// Parts of a batch that are differentiated side by side; nil for one. More than one changes the last bits.
        public var shards: Int?
        /// The numbers that products are made of; nil for `fp32`.
        public var precision: Precision?
        public var optimizer: OptimizerRecipe
        /// Caps the weight of nearly clean timesteps (Min-SNR, arXiv 2303.09556); 0 for none.
        public var minSNRGamma: Double
        /// How much more the error counts where small parts are drawn that a mean over the picture hardly sees; nil
        /// weighs all places alike.
        public var detailWeights: DetailWeights?
        /// Attributes that captions name half of the time, whatever else they name; nil favours none.
        public var favouredAttributes: [Attribute]?
        /// The share of captions replaced by the empty prompt, for classifier-free guidance.
        public var promptDropout: Double
        /// The text encoder's learning rate as a share of the UNet's.
        public var textEncoderRate: Double
        public var samplesEvery: Int
        public var checkpointEvery: Int
    }

    /// The weight of the error where each part of a picture is drawn; 1 everywhere else, and for nil.
    public struct DetailWeights: Codable, Sendable {
        public var eyes: Double?
        public var mouth: Double?
        public var land: Double?
        public var clouds: Double?

        subscript(part: SceneDetail.Part) -> Double {
            switch part {
            case .eyes: eyes ?? 1
            case .mouth: mouth ?? 1
            case .land: land ?? 1
            case .clouds: clouds ?? 1
            }
        }
    }
}
