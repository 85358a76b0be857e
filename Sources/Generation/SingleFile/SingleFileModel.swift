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
        if Self.isTorchFile(path) {
            let checkpoint = try TorchCheckpoint(path: path)
            let shapes = Dictionary(
                checkpoint.names.compactMap { name in checkpoint[name].map { (name, $0.shape) } },
                uniquingKeysWith: { first, _ in first })
            var metadata: [String: String] = [:]
            if case .integer(let step)? = checkpoint.contents["global_step"] { metadata["global_step"] = "\(step)" }
            try self.init(
                path: path, source: TorchCheckpointSource(checkpoint), shapes: shapes, metadata: metadata,
                vocabulary: vocabulary)
            return
        }
        let files = try SafetensorsSet(WeightFiles(file: path))
        let entries = files.files.flatMap(\.header.entries)
        let shapes = Dictionary(entries.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        try self.init(
            path: path, source: SafetensorsSource(files), shapes: shapes,
            metadata: files.files.first?.header.metadata ?? [:], vocabulary: vocabulary)
    }

    /// Whether a file begins like a zip archive or a pickle; a safetensors file begins with the length of its header.
    static func isTorchFile(_ path: String) -> Bool {
        guard let file = try? FileHandle(forReadingFrom: URL(filePath: path)),
            let start = try? file.read(upToCount: 8), start.count == 8
        else { return false }
        try? file.close()
        let isZip = start.starts(with: [0x50, 0x4B, 0x03, 0x04])
        // The high bytes of a header's length are 0.
        return isZip || (start.first == 0x80 && start[start.startIndex + 7] != 0)
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
        schedulerConfiguration =
            try metadata[Self.metadataKey("scheduler")].map { try SchedulerConfiguration(json: $0) }
            ?? family.scheduler(
                prediction: Self.prediction(keys, metadata), hasZeroTerminalSNR: keys.contains("ztsnr"))
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
                Part(entries: renamed(unet) { [(unetTable.translated($0), .same)] }, configuration: unetConfiguration)
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
        let configuration = try configuration("vae", metadata, path: path) {
            try AutoencoderKLConfiguration(ldm: shapes, scalingFactor: scalingFactor, path: path)
        }
        let table = KeyTable.ldmAutoencoder(configuration)
        let entries = renamed(shapes) { key in
            let isProjection = key.contains(".attn_1.") && !key.contains(".norm.") && key.hasSuffix(".weight")
            return [(table.translated(key), isProjection ? .matrix : .same)]
        }
        return Part(entries: entries, configuration: configuration)
    }

    private static func transformers(
        _ part: String, _ shapes: [String: [Int]], _ prefix: String, _ metadata: [String: String], _ path: String
    ) throws -> Part {
        let shapes = StoredShapes(shapes, prefix: prefix)
        return Part(
            entries: renamed(shapes) { key in key.hasSuffix(".position_ids") ? [] : [(key, .same)] },
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
        let entries = renamed(shapes) { key in
            if dropsLastLayer && (key == "text_projection" || OpenCLIPKeys.layerIndex(of: key) == configuration.layers)
            {
                return []
            }
            return OpenCLIPKeys.parameters(of: key).map { ($0.key, $0.part) }
        }
        return Part(entries: entries, configuration: configuration)
    }

    /// The stored keys of a part by the names that the model asks for.
    private static func renamed(
        _ shapes: StoredShapes, _ names: (String) -> [(String?, StoredTensor.Form)]
    ) -> [String: StoredTensor] {
        var entries: [String: StoredTensor] = [:]
        for key in shapes.keys {
            for case (let name?, let form) in names(key) {
                entries[name] = StoredTensor(key: shapes.prefix + key, form: form)
            }
        }
        return entries
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

    public func holds(_ part: String) -> Bool { parts[part] != nil }

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
