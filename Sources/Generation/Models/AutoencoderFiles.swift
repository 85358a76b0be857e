import DiffusionModels
import Foundation
import Layers
import Weights

/// An autoencoder that comes apart from its model: a folder of the diffusers layout, or one file under the names of
/// latent diffusion or of diffusers.
struct AutoencoderFiles {
    let configuration: AutoencoderKLConfiguration
    let source: any WeightSource
    /// Keys of a single file that no layer has a name for.
    let strayKeys: [String]

    /// - Parameter own: the model's own configuration, which tells what no tensor of a single file can.
    /// - Throws: `GenerationError` when there is no autoencoder at `path`, saying what there is.
    init(path: String, own: AutoencoderKLConfiguration) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw GenerationError(path, expected: "an autoencoder, a folder or a file", found: "nothing there")
        }
        self = try isFolder.boolValue ? Self(folder: path) : Self(file: TensorFile(path: path), own: own)
    }

    private init(folder path: String) throws {
        // A whole model's folder holds one in `vae`.
        let isModel = FileManager.default.fileExists(atPath: path + "/model_index.json")
        let folder = isModel ? path + "/vae" : path
        let file = folder + "/config.json"
        guard let json = FileManager.default.contents(atPath: file) else {
            throw GenerationError(file, expected: "an autoencoder's configuration", found: "nothing there")
        }
        configuration = try AutoencoderKLConfiguration.decode(json, path: file)
        guard configuration.className == "AutoencoderKL" else {
            throw GenerationError("\(file): _class_name", expected: "AutoencoderKL", found: configuration.className)
        }
        source = try WeightFiles(in: folder, baseName: "diffusion_pytorch_model").source()
        strayKeys = []
    }

    private init(file: TensorFile, own: AutoencoderKLConfiguration) throws {
        let keys = file.shapes.keys
        if keys.contains(where: { $0.hasPrefix("decoder.up_blocks.") }) {
            let shapes = StoredShapes(file.shapes)
            configuration = try Self.completed(
                AutoencoderKLConfiguration(diffusers: shapes, path: file.path), own, file)
            strayKeys = []
            source = RenamedSource(
                file.source,
                shapes.renamed { key in
                    let isMatrix = key.contains(".attentions.") && key.hasSuffix(".weight") && !key.contains("norm")
                    return [(key, isMatrix ? .matrix : .same)]
                })
            return
        }
        let prefixes = ["first_stage_model.", "vae.", ""]
        guard
            let prefix = prefixes.first(where: { prefix in keys.contains { $0.hasPrefix(prefix + "decoder.up.") } })
        else {
            throw GenerationError(
                file.path, expected: "an autoencoder (keys under decoder.up or decoder.up_blocks)",
                found: CheckpointFamily.describe(Set(keys)))
        }
        let shapes = StoredShapes(file.shapes, prefix: prefix)
        configuration = try Self.completed(
            AutoencoderKLConfiguration(ldm: shapes, scalingFactor: own.scalingFactor, path: file.path), own, file)
        let entries = shapes.ldmAutoencoderEntries(configuration)
        source = RenamedSource(file.source, entries)
        // Trainers keep their averages and losses beside the weights.
        let extras = ["loss.", "model_ema."]
        strayKeys = Set(shapes.keys).subtracting(entries.values.map { String($0.key.dropFirst(prefix.count)) })
            .filter { key in !extras.contains { key.hasPrefix($0) } }.sorted()
    }

    /// The configuration with the model's own values where no tensor tells.
    private static func completed(
        _ told: AutoencoderKLConfiguration, _ own: AutoencoderKLConfiguration, _ file: TensorFile
    ) throws -> AutoencoderKLConfiguration {
        if let text = file.metadata[SingleFileModel.metadataKey("vae")] {
            return try .decode(Data(text.utf8), path: "\(file.path): \(SingleFileModel.metadataKey("vae"))")
        }
        var told = told
        told.scalingFactor = own.scalingFactor
        told.shiftFactor = own.shiftFactor
        told.sampleSize = own.sampleSize
        told.forceUpcast = own.forceUpcast
        if told.blockOutChannels.allSatisfy({ $0 % own.normGroups == 0 }) { told.normGroups = own.normGroups }
        do {
            try told.validate()
        } catch var error as ConfigurationError {
            error.path = file.path
            throw error
        }
        return told
    }
}
