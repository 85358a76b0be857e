public import Adapters
public import DiffusionModels
import Layers
public import Samplers
public import TensorCore
public import Weights

/// The number format of weights and products.
public enum Precision: String, Sendable, CaseIterable, Codable {
    case fp32
    /// Weights are rounded to bfloat16; products run in it where the processor has the instructions.
    case bf16
}

/// A latent-diffusion model: text encoders, UNet, autoencoder and the scheduler that it was trained with.
///
/// A value: any number of generations may share one.
public struct StableDiffusion: Sendable {
    public internal(set) var text: TextConditioner
    public let unet: UNet2DConditionModel
    public let autoencoder: AutoencoderKL
    /// Decodes in the autoencoder's place.
    public let tinyAutoencoder: AutoencoderTiny?
    public let scheduler: SchedulerConfiguration
    /// Whether the unconditional row of a request without a negative prompt is zeros instead of the empty text.
    let zeroesMissingNegative: Bool
    /// Where the weights came from.
    public let files: Files
    /// The numbers of all layers, which recorders and adapters need.
    public let sites: SiteIndex
    /// The layers that adapters can change.
    public let modules: ModuleTable
    /// Keys of the weight files that no part used.
    public let unusedKeys: [String]

    /// What the parts were read from, for messages.
    public struct Files: Sendable {
        public let model: String
        public let autoencoder: String
        public let tinyAutoencoder: String?
    }

    /// Loads a model; weights stay mapped until they are used.
    ///
    /// - Parameters:
    ///   - additions: files that take the place of a part, or add to one.
    ///   - device: whose memory the weights are loaded into; what meets them is computed there.
    public init(
        _ store: any ModelStore, precision: Precision = .fp32, additions: [ModelAddition] = [],
        device: any Backend = CPUBackend.shared
    ) throws {
        let store: any ModelStore = device === CPUBackend.shared ? store : DeviceStore(store: store, device: device)
        let sites = SiteIndex()
        self.sites = sites
        modules = try ModuleTable(store)
        var unused = store.strayKeys
        let inversions = try additions.filter { $0.role == .embedding }.map { try TextualInversion(path: $0.file.path) }
        text = try TextConditioner(
            store, inversions: inversions, sites: sites, precision: precision, unused: &unused)
        let unetConfiguration = try store.configuration(UNet2DConditionConfiguration.self, of: "unet")
        var report: LoadReport
        (unet, report) = try ScopedWeights.load(
            try store.weights(of: "unet", precision: precision), root: "unet", sites: sites
        ) { try UNet2DConditionModel(unetConfiguration, weights: $0) }
        unused += report.unused.map { "unet.\($0)" }
        var scheduler = try store.scheduler()
        if store.guessesPrediction { scheduler.predictionType = unet.measuredPrediction() }
        self.scheduler = scheduler
        var autoencoderConfiguration = try store.configuration(AutoencoderKLConfiguration.self, of: "vae")
        let weights: any WeightSource
        if let path = additions.path(of: .autoencoder) {
            let files = try AutoencoderFiles(path: path, own: autoencoderConfiguration)
            try Self.checkFit(latents: files.configuration.latentChannels, of: path, unetConfiguration)
            autoencoderConfiguration = files.configuration
            weights = DeviceSource(WidenedSource(files.source), on: device)
            unused += files.strayKeys.map { "\(path): \($0)" }
        } else {
            guard store.holds("vae") else {
                throw GenerationError(
                    store.path, expected: "an autoencoder in it, or one beside it (--vae)", found: "neither")
            }
            // SDXL's autoencoder is known to overflow in 16 bits, and bf16 is not measured as safe there.
            let isXL = unetConfiguration.additionEmbedType != nil
            weights = try store.weights(of: "vae", precision: isXL ? .fp32 : precision)
        }
        (autoencoder, report) = try ScopedWeights.load(weights, root: "vae", sites: sites) {
            [autoencoderConfiguration] in try AutoencoderKL(autoencoderConfiguration, weights: $0)
        }
        unused += report.unused.map { "vae.\($0)" }
        if let path = additions.path(of: .tinyAutoencoder) {
            let tiny: AutoencoderTiny
            (tiny, report) = try AutoencoderTiny.load(path, sites: sites)
            try Self.checkFit(latents: tiny.latentChannels, of: path, unetConfiguration)
            guard tiny.upsamplingFactor == autoencoderConfiguration.downsamplingFactor else {
                throw GenerationError(
                    path, expected: "a decoder that enlarges \(autoencoderConfiguration.downsamplingFactor) times",
                    found: "\(tiny.upsamplingFactor) times")
            }
            unused += report.unused.map { "taesd.\($0)" }
            tinyAutoencoder = tiny
        } else {
            tinyAutoencoder = nil
        }
        unusedKeys = unused
        zeroesMissingNegative = store.zeroesMissingNegative
        files = Files(
            model: store.path, autoencoder: additions.path(of: .autoencoder) ?? store.path,
            tinyAutoencoder: additions.path(of: .tinyAutoencoder))
        try checkFit(store.path)
    }

    /// Checks that an autoencoder from elsewhere has the UNet's latents.
    private static func checkFit(
        latents: Int, of path: String, _ unet: UNet2DConditionConfiguration
    ) throws {
        guard latents == unet.outChannels else {
            throw GenerationError(
                path, expected: "an autoencoder with the UNet's \(unet.outChannels) latent channels",
                found: "\(latents)")
        }
    }

    /// Checks that the parts belong together, so that no forward pass can meet a shape it does not expect.
    private func checkFit(_ path: String) throws {
        let unet = unet.configuration
        func require(_ isRight: Bool, _ key: String, _ expected: String, _ found: String) throws {
            guard isRight else {
                throw GenerationError("\(path)/unet/config.json: \(key)", expected: expected, found: found)
            }
        }
        try require(
            unet.crossAttentionDim == .all(text.width), "cross_attention_dim",
            "the text encoders' hidden_size \(text.width)", "\(unet.crossAttentionDim)")
        let latents = autoencoder.configuration.latentChannels
        try require(
            [latents, 2 * latents + 1].contains(unet.inChannels) && unet.outChannels == latents, "in_channels",
            "the autoencoder's latent_channels \(latents), or \(2 * latents + 1) to inpaint", "\(unet.inChannels)")
        guard unet.additionEmbedType == "text_time" else { return }
        let sizes = unet.additionTimeEmbedDim ?? 0
        let width = (text.pooledWidth ?? 0) + sizeCount * sizes
        try require(
            text.pooledWidth != nil && [5, 6].contains(sizeCount) && unet.projectionInputDim == width,
            "projection_class_embeddings_input_dim",
            "the width of the pooled text (\(text.pooledWidth ?? 0)) and of 5 or 6 sizes (\(sizes) each)",
            "\(unet.projectionInputDim ?? 0)")
    }

    /// How many sizes and crops the UNet reads: 6, or 5 with an aesthetic score (SDXL's refiner).
    private var sizeCount: Int {
        guard let width = unet.configuration.projectionInputDim, let each = unet.configuration.additionTimeEmbedDim,
            each > 0
        else { return 0 }
        return (width - (text.pooledWidth ?? 0)) / each
    }

    /// Whether the UNet was trained to inpaint: it reads a mask and the masked picture beside the latents.
    public var readsMask: Bool { unet.configuration.inChannels > autoencoder.configuration.latentChannels }

    /// Whether the UNet reads the sizes and crops of pictures, as SDXL's does.
    public var readsSizes: Bool { unet.configuration.additionEmbedType == "text_time" }

    /// Picture pixels for each latent in both directions.
    public var latentFactor: Int { autoencoder.configuration.downsamplingFactor }

    /// The width and height that the model was trained for, in pixels.
    public var defaultSize: Int { unet.configuration.sampleSize * latentFactor }

    /// What SDXL reads besides the text: the pooled text, and the sizes it was trained to know.
    ///
    ///     [height, width, crop top, crop left, height, width]    or    [height, width, top, left, aesthetic score]
    ///
    /// - Parameter origin: the picture that this one was cut out of; nil for a whole one of the request's size.
    /// - Returns: nil for models that read none.
    public func addedConditioning(
        _ text: TextConditioning, width: Int, height: Int, origin: PictureOrigin? = nil, isNegative: Bool
    ) -> AddedConditioning? {
        guard readsSizes else { return nil }
        let origin = origin ?? PictureOrigin(width: width, height: height)
        let sizes = [origin.height, origin.width, origin.top, origin.left].map(Float.init)
        let target = sizeCount == 5 ? [isNegative ? 2.5 : 6] : [Float(height), Float(width)]
        return AddedConditioning(
            pooledText: text.pooled, timeIDs: Tensor(sizes + target, shape: [1, sizes.count + target.count]))
    }
}

/// The picture that another one was cut out of: its size in pixels, and where the cut begins.
public struct PictureOrigin: Sendable, Hashable {
    public var width: Int
    public var height: Int
    public var top: Int
    public var left: Int

    public init(width: Int, height: Int, top: Int = 0, left: Int = 0) {
        self.width = width
        self.height = height
        self.top = top
        self.left = left
    }
}
