public import DiffusionModels
public import Layers
public import Samplers
public import TensorCore
public import TextModels
public import Tokenizers
import Weights

/// The number format of weights and products.
public enum Precision: String, Sendable, CaseIterable, Codable {
    case fp32
    /// Weights are rounded to bfloat16; products run in it where the processor has the instructions.
    case bf16
}

/// A latent-diffusion model: tokenizer, text encoder, UNet, autoencoder and the scheduler that it was trained with.
///
/// A value: any number of generations may share one.
public struct StableDiffusion: Sendable {
    public let tokenizer: CLIPTokenizer
    public let textEncoder: CLIPTextModel
    public let unet: UNet2DConditionModel
    public let autoencoder: AutoencoderKL
    public let scheduler: SchedulerConfiguration
    /// Keys of the weight files that no part used.
    public let unusedKeys: [String]

    /// Loads a diffusers folder; weights stay mapped until they are used.
    ///
    /// - Parameter variant: the file variant, such as `fp16`; nil takes the plain files, or the only variant.
    public init(folder: ModelFolder, precision: Precision = .fp32, variant: String? = nil) throws {
        try folder.require("unet", "UNet2DConditionModel")
        try folder.require("vae", "AutoencoderKL")
        try folder.require("text_encoder", "CLIPTextModel", "CLIPTextModelWithProjection")
        tokenizer = try CLIPTokenizer(folder: folder.url("tokenizer"))
        scheduler = try folder.scheduler()
        let sites = SiteIndex()
        var unused: [String] = []
        func load<Model>(_ part: String, _ baseName: String, _ build: (ScopedWeights) throws -> Model) throws -> Model {
            let files = try WeightFiles(in: "\(folder.path)/\(part)", baseName: baseName, variant: variant)
            let source = try files.source(floatingPoint: precision == .bf16 && part != "vae" ? .bfloat16 : nil)
            let (model, report) = try ScopedWeights.load(
                source, root: part, sites: sites, ignoring: ["*.position_ids"], build: build)
            unused += report.unused.map { "\(part).\($0)" }
            return model
        }
        let textConfiguration = try folder.configuration(CLIPTextConfiguration.self, of: "text_encoder")
        textEncoder = try load("text_encoder", "model") { try CLIPTextModel(textConfiguration, weights: $0) }
        let unetConfiguration = try folder.configuration(UNet2DConditionConfiguration.self, of: "unet")
        unet = try load("unet", "diffusion_pytorch_model") {
            try UNet2DConditionModel(unetConfiguration, weights: $0)
        }
        let vaeConfiguration = try folder.configuration(AutoencoderKLConfiguration.self, of: "vae")
        autoencoder = try load("vae", "diffusion_pytorch_model") {
            try AutoencoderKL(vaeConfiguration, weights: $0)
        }
        unusedKeys = unused
        try checkFit(folder.path)
    }

    /// Checks that the parts belong together, so that no forward pass can meet a shape it does not expect.
    private func checkFit(_ path: String) throws {
        guard tokenizer.vocabularySize <= textEncoder.configuration.vocabularySize else {
            throw GenerationError(
                path + "/tokenizer", expected: "at most \(textEncoder.configuration.vocabularySize) tokens",
                found: "\(tokenizer.vocabularySize)")
        }
        let tokens = tokenizer.tokens(for: "").count
        guard tokens <= textEncoder.configuration.maximumTokens else {
            throw GenerationError(
                path + "/tokenizer", expected: "at most \(textEncoder.configuration.maximumTokens) tokens a prompt",
                found: "\(tokens)")
        }
        let unet = unet.configuration
        guard unet.additionEmbedType == nil else {
            throw GenerationError(
                path + "/unet/config.json: addition_embed_type", expected: "none (Stable Diffusion 1.x or 2.x)",
                found: unet.additionEmbedType ?? "")
        }
        guard unet.crossAttentionDim == .all(textEncoder.configuration.hiddenSize) else {
            throw GenerationError(
                path + "/unet/config.json: cross_attention_dim",
                expected: "the text encoder's hidden_size \(textEncoder.configuration.hiddenSize)",
                found: "\(unet.crossAttentionDim)")
        }
        guard unet.inChannels == autoencoder.configuration.latentChannels, unet.outChannels == unet.inChannels else {
            throw GenerationError(
                path + "/unet/config.json: in_channels",
                expected: "the autoencoder's latent_channels \(autoencoder.configuration.latentChannels)",
                found: "\(unet.inChannels)")
        }
    }

    /// Picture pixels for each latent in both directions.
    public var latentFactor: Int { autoencoder.configuration.downsamplingFactor }

    /// The width and height that the model was trained for, in pixels.
    public var defaultSize: Int { unet.configuration.sampleSize * latentFactor }

    /// The text encoder's output for each prompt: `[prompts, tokens, width]`.
    public func encode(_ prompts: [String], _ pass: Pass = Pass()) -> Tensor {
        let tokens = prompts.flatMap { tokenizer.tokens(for: $0).map(Int64.init) }
        return textEncoder(Tensor(tokens, shape: [prompts.count, tokens.count / max(prompts.count, 1)]), pass)
            .lastHiddenState
    }
}
