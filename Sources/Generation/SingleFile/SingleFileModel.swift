import DiffusionModels
public import Foundation
public import Layers
public import Samplers
public import TensorCore
import TextModels
public import Tokenizers
public import Weights

/// A Stable Diffusion checkpoint in one file, with the names of the latent-diffusion code.
///
/// The file tells its family and its shapes; nothing is copied, for every renamed tensor is a view of the mapped file.
public struct SingleFileModel: ModelStore {
    public let path: String
    public let family: CheckpointFamily
    public let strayKeys: [String]
    private let source: any WeightSource
    private let parts: [String: Part]
    private let vocabulary: URL
    private let schedulerConfiguration: SchedulerConfiguration
    public let guessesPrediction: Bool

    private struct Part: Sendable {
        var entries: [String: StoredTensor]
        var configuration: any ModelConfiguration
    }

    /// - Parameters:
    ///   - path: a safetensors file, or one that torch saved (`.ckpt`, `.pt`, `.bin`), which is read without running
    ///     anything in it.
    ///   - vocabulary: the folder of CLIP's tokenizer, since single files carry none.
    /// - Throws: `SafetensorsError` or `TorchCheckpointError` when the file breaks a rule of its format;
    ///   `GenerationError` when it is no checkpoint that is known here, saying what it seems to be.
    public init(path: String, vocabulary: URL) throws {
        let file = try TensorFile(path: path)
        try self.init(
            path: path, source: file.source, shapes: file.shapes, metadata: file.metadata, vocabulary: vocabulary)
    }

    init(
        path: String, source: any WeightSource, shapes: [String: [Int]], metadata: [String: String], vocabulary: URL
    ) throws {
        self.path = path
        self.source = source
        self.vocabulary = vocabulary
        let keys = Set(shapes.keys)
        let family = try CheckpointFamily(keys: keys, path: path)
        self.family = family
        var used: Set<String> = []
        var parts: [String: Part] = [:]
        for (name, part) in try Self.read(family, shapes, metadata, path: path) {
            parts[name] = part
            used.formUnion(part.entries.values.map(\.key))
        }
        self.parts = parts
        strayKeys = keys.subtracting(used).filter { !Self.isKnownExtra($0, family) }.sorted()
        let prediction = Self.prediction(keys, metadata)
        let ownScheduler = try metadata[Self.metadataKey("scheduler")].map { try SchedulerConfiguration(json: $0) }
        schedulerConfiguration =
            ownScheduler ?? family.scheduler(prediction: prediction, hasZeroTerminalSNR: keys.contains("ztsnr"))
        guessesPrediction = family == .stableDiffusion2 && ownScheduler == nil && prediction == nil
    }

    /// Where `ModelConversion` keeps a part's configuration in the file's metadata; files from elsewhere have none.
    static func metadataKey(_ part: String) -> String { "atelier.\(part)" }

    /// The configuration that the file's metadata holds, or else the one that its shapes tell.
    private static func configuration<Configuration: ModelConfiguration>(
        _ part: String, _ metadata: [String: String], path: String, told: () throws -> Configuration
    ) throws -> Configuration {
        if let text = metadata[metadataKey(part)] {
            return try Configuration.decode(Data(text.utf8), path: "\(path): \(metadataKey(part))")
        }
        do {
            return try told()
        } catch var error as ConfigurationError {
            error.path = "\(path): \(part)"
            throw error
        }
    }

    private static func read(
        _ family: CheckpointFamily, _ shapes: [String: [Int]], _ metadata: [String: String], path: String
    ) throws -> [(String, Part)] {
        let unet = StoredShapes(shapes, prefix: CheckpointFamily.unetPrefix)
        let unetConfiguration = try configuration("unet", metadata, path: path) {
            var told = try UNet2DConditionConfiguration(ldm: unet, path: path)
            if family == .stableDiffusion2 { told.sampleSize = 96 }
            return told
        }
        let unetTable = try KeyTable.ldmUNet(unetConfiguration)
        let vaePrefix = shapes.keys.contains { $0.hasPrefix("first_stage_model.") } ? "first_stage_model." : "vae."
        var parts = [
            (
                "unet",
                Part(entries: unet.renamed { [(unetTable.translated($0), .same)] }, configuration: unetConfiguration)
            ),
            (
                "vae",
                try autoencoder(
                    StoredShapes(shapes, prefix: vaePrefix), metadata, scalingFactor: family.scalingFactor,
                    path: path)
            ),
        ]
        switch family {
        case .stableDiffusion1:
            parts.append(
                (
                    "text_encoder",
                    try transformers("text_encoder", shapes, "cond_stage_model.transformer.", metadata, path)
                ))
        case .stableDiffusion2:
            parts.append(
                (
                    "text_encoder",
                    try openCLIP(
                        "text_encoder", shapes, "cond_stage_model.model.", dropsLastLayer: true, metadata, path)
                ))
        case .sdxl:
            parts.append(
                (
                    "text_encoder",
                    try transformers("text_encoder", shapes, "conditioner.embedders.0.transformer.", metadata, path)
                ))
            parts.append(
                (
                    "text_encoder_2",
                    try openCLIP("text_encoder_2", shapes, "conditioner.embedders.1.model.", metadata, path)
                ))
        case .sdxlRefiner:
            parts.append(
                (
                    "text_encoder_2",
                    try openCLIP("text_encoder_2", shapes, "conditioner.embedders.0.model.", metadata, path)
                ))
        }
        return parts
    }

    private static func autoencoder(
        _ shapes: StoredShapes, _ metadata: [String: String], scalingFactor: Float, path: String
    ) throws -> Part {
        guard shapes.contains("decoder.conv_in.weight") else {
            var configuration = StandardArchitecture.sd15.autoencoder
            configuration.scalingFactor = scalingFactor
            return Part(entries: [:], configuration: configuration)
        }
        let configuration = try configuration("vae", metadata, path: path) {
            let told = try AutoencoderKLConfiguration(ldm: shapes, scalingFactor: scalingFactor, path: path)
            try told.validate()
            return told
        }
        return Part(entries: shapes.ldmAutoencoderEntries(configuration), configuration: configuration)
    }

    private static func transformers(
        _ part: String, _ shapes: [String: [Int]], _ prefix: String, _ metadata: [String: String], _ path: String
    ) throws -> Part {
        let shapes = StoredShapes(shapes, prefix: prefix)
        return Part(
            entries: shapes.renamed { key in key.hasSuffix(".position_ids") ? [] : [(key, .same)] },
            configuration: try configuration(part, metadata, path: path) {
                try CLIPTextConfiguration(transformers: shapes, path: path)
            })
    }

    private static func openCLIP(
        _ part: String, _ shapes: [String: [Int]], _ prefix: String, dropsLastLayer: Bool = false,
        _ metadata: [String: String], _ path: String
    ) throws -> Part {
        let shapes = StoredShapes(shapes, prefix: prefix)
        let configuration = try configuration(part, metadata, path: path) {
            try CLIPTextConfiguration(openCLIP: shapes, dropsLastLayer: dropsLastLayer, path: path)
        }
        let entries = shapes.renamed { key in
            if dropsLastLayer && (key == "text_projection" || OpenCLIPKeys.layerIndex(of: key) == configuration.layers)
            {
                return []
            }
            return OpenCLIPKeys.parameters(of: key).map { ($0.key, $0.part) }
        }
        return Part(entries: entries, configuration: configuration)
    }

    /// What the file says of what its UNet predicts: a marker tensor, or the trainer's metadata.
    private static func prediction(_ keys: Set<String>, _ metadata: [String: String]) -> PredictionType? {
        if keys.contains("v_pred") { return .velocity }
        switch metadata["modelspec.prediction_type"]?.lowercased() {
        case "epsilon", "eps": return .epsilon
        case "v", "v_prediction": return .velocity
        default: break
        }
        // How long Stability AI had trained the two checkpoints of version 2 that predict noise.
        if ["110000", "875000"].contains(metadata["global_step"]) { return .epsilon }
        let architecture = metadata["modelspec.architecture"] ?? ""
        if architecture.hasSuffix("-v") { return .velocity }
        return architecture.hasPrefix("stable-diffusion-v2-512") ? .epsilon : nil
    }

    /// Keys that trainers leave behind and that no picture needs.
    private static func isKnownExtra(_ key: String, _ family: CheckpointFamily) -> Bool {
        let schedule = ["alphas", "betas", "sqrt_", "posterior_", "log_one_minus", "logvar", "lvlb_", "scale_factor"]
        return schedule.contains { key.hasPrefix($0) }
            || ["v_pred", "ztsnr", "global_step", "denoiser.sigmas"].contains(key) || key.hasPrefix("model_ema.")
            || key.hasSuffix(".position_ids") || key.hasSuffix("logit_scale") || key.hasSuffix("attn_mask")
            || (family == .stableDiffusion2 && key.hasPrefix("cond_stage_model.model."))
    }

    // MARK: ModelStore

    /// A part whose weights the file lacks may still have a configuration: pruned checkpoints leave the autoencoder out.
    public func holds(_ part: String) -> Bool { parts[part].map { !$0.entries.isEmpty } ?? false }

    private func part(_ name: String) throws -> Part {
        guard let part = parts[name] else {
            throw GenerationError(path, expected: "a part `\(name)`", found: parts.keys.sorted().description)
        }
        return part
    }

    public func configuration<Configuration: ModelConfiguration>(
        _ type: Configuration.Type, of part: String
    ) throws -> Configuration {
        guard let configuration = try self.part(part).configuration as? Configuration else {
            throw GenerationError("\(path): \(part)", expected: "\(type)", found: "another kind of model")
        }
        return configuration
    }

    public func weights(of part: String, floatingPoint: DType?) throws -> any WeightSource {
        RenamedSource(source, try self.part(part).entries, floatingPoint: floatingPoint)
    }

    /// OpenCLIP's encoders were trained with token 0, `!`, after the end token.
    public func tokenizer(_ part: String) throws -> CLIPTokenizer {
        let isOpenCLIP = part == "tokenizer_2" || family == .stableDiffusion2
        return try CLIPTokenizer(folder: vocabulary, padToken: isOpenCLIP ? "!" : nil)
    }

    public func scheduler() -> SchedulerConfiguration { schedulerConfiguration }

    public func hash() throws -> String { try fileHash(path) }
}
