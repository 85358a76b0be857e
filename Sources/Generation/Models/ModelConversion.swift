import DiffusionModels
public import Foundation
import Layers
import Samplers
public import TensorCore
import TextModels
public import Tokenizers
import Weights

/// Rewrites models: from one layout to the other, from one number format to another.
public enum ModelConversion {
    /// Writes a model in the diffusers layout.
    ///
    /// - Parameter floatingPoint: the type of the weights; nil keeps each tensor's own.
    /// - Throws: `GenerationError` when something stands there that was not written here.
    public static func writeFolder(_ store: any ModelStore, to folder: URL, floatingPoint: DType?) throws {
        var writer = try ModelFolderWriter(folder: folder, floatingPoint: floatingPoint)
        do {
            try add("unet", "UNet2DConditionModel", UNet2DConditionConfiguration.self, store, &writer)
            try add("vae", "AutoencoderKL", AutoencoderKLConfiguration.self, store, &writer)
            for (part, tokenizer) in [("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")]
            where store.holds(part) {
                let configuration = try store.configuration(CLIPTextConfiguration.self, of: part)
                let className = configuration.hasProjection ? "CLIPTextModelWithProjection" : "CLIPTextModel"
                try add(part, className, CLIPTextConfiguration.self, store, &writer)
                try writer.add(tokenizer, try store.tokenizer(tokenizer))
            }
            try writer.add(try scheduler(of: store))
            let defaults = try store.samplingDefaults()
            if defaults != .standard { try writer.add(defaults) }
            let pipeline = try pipeline(of: store)
            try writer.commit(className: pipeline.className, options: pipeline.options)
        } catch {
            writer.abandon()
            throw error
        }
    }

    /// The scheduler, with what the UNet predicts where that has to be measured.
    private static func scheduler(of store: any ModelStore) throws -> SchedulerConfiguration {
        store.guessesPrediction ? try StableDiffusion(store).scheduler : try store.scheduler()
    }

    /// The class of diffusers that draws with the model, and what else it wants to know.
    private static func pipeline(of store: any ModelStore) throws -> (className: String, options: [String: Any]) {
        let unet = try store.configuration(UNet2DConditionConfiguration.self, of: "unet")
        let paints = unet.inChannels > unet.outChannels ? "Inpaint" : ""
        guard store.holds("text_encoder_2") else {
            let nothing = [NSNull(), NSNull()]
            return (
                "StableDiffusion\(paints)Pipeline",
                ["safety_checker": nothing, "feature_extractor": nothing, "requires_safety_checker": false]
            )
        }
        var options: [String: Any] = ["force_zeros_for_empty_prompt": store.zeroesMissingNegative]
        guard store.holds("text_encoder") else {
            // The refiner continues a picture, and reads an aesthetic score in the place of a size.
            options["requires_aesthetics_score"] = true
            for part in ["text_encoder", "tokenizer"] { options[part] = [NSNull(), NSNull()] }
            return ("StableDiffusionXLImg2ImgPipeline", options)
        }
        return ("StableDiffusionXL\(paints)Pipeline", options)
    }

    private static func add<Configuration: ModelConfiguration>(
        _ part: String, _ className: String, _: Configuration.Type, _ store: any ModelStore,
        _ writer: inout ModelFolderWriter
    ) throws {
        try writer.add(
            part, className: className, configuration: try store.configuration(Configuration.self, of: part),
            tensors: try tensors(store, part))
    }

    /// Writes a model as one file under the names of the latent-diffusion code, as A1111-style programs read it.
    ///
    /// - Parameter vocabulary: CLIP's, which readers of such files have, for files carry none.
    /// - Throws: `GenerationError` when the model is of no family that has such a layout, or has another vocabulary.
    public static func writeSingleFile(
        _ store: any ModelStore, to path: String, floatingPoint: DType?, vocabulary: CLIPTokenizer
    ) throws {
        for part in ["tokenizer", "tokenizer_2"] where store.holds(part) {
            let own = try store.tokenizer(part)
            guard own.encodesAlike(vocabulary) else {
                throw GenerationError(
                    "\(store.path)/\(part)",
                    expected: "CLIP's vocabulary, for a model in one file carries none (write a folder instead)",
                    found: "one of its own")
            }
        }
        var all: [String: Tensor] = [:]
        let unet = try KeyTable.ldmUNet(store.configuration(UNet2DConditionConfiguration.self, of: "unet")).inverse
        try collect(store, "unet") { key, tensor in
            all[CheckpointFamily.unetPrefix + (try name(key, unet, "unet"))] = tensor
        }
        let vae = KeyTable.ldmAutoencoder(try store.configuration(AutoencoderKLConfiguration.self, of: "vae")).inverse
        try collect(store, "vae") { key, tensor in
            let isProjection = key.contains(".attentions.") && tensor.rank == 2
            let stored = isProjection ? tensor.reshaped(tensor.shape + [1, 1]) : tensor
            all["first_stage_model." + (try name(key, vae, "vae"))] = stored
        }
        let isXL = store.holds("text_encoder_2")
        if store.holds("text_encoder") {
            let configuration = try store.configuration(CLIPTextConfiguration.self, of: "text_encoder")
            if isXL || configuration.activation == .quickGELU {
                let prefix = isXL ? "conditioner.embedders.0.transformer." : "cond_stage_model.transformer."
                try collect(store, "text_encoder") { key, tensor in all[prefix + key] = tensor }
            } else {
                all.merge(try openCLIP(store, "text_encoder", "cond_stage_model.model.")) { _, new in new }
            }
        }
        if isXL {
            let place = store.holds("text_encoder") ? 1 : 0
            all.merge(try openCLIP(store, "text_encoder_2", "conditioner.embedders.\(place).model.")) { _, new in new }
        }
        try writeSafetensors(all, floatingPoint: floatingPoint, metadata: metadata(store), to: path)
    }

    /// What no tensor tells of the model: what it predicts, for every program; the configurations, for this one.
    private static func metadata(_ store: any ModelStore) throws -> [String: String] {
        let scheduler = try scheduler(of: store)
        var metadata = [
            "format": "pt", "modelspec.prediction_type": scheduler.predictionType == .velocity ? "v" : "epsilon",
            SingleFileModel.metadataKey("scheduler"): text(try JSONEncoder().encode(scheduler)),
            SingleFileModel.metadataKey("unet"):
                text(try store.configuration(UNet2DConditionConfiguration.self, of: "unet").json()),
            SingleFileModel.metadataKey("vae"):
                text(try store.configuration(AutoencoderKLConfiguration.self, of: "vae").json()),
        ]
        for part in ["text_encoder", "text_encoder_2"] where store.holds(part) {
            metadata[SingleFileModel.metadataKey(part)] =
                text(try store.configuration(CLIPTextConfiguration.self, of: part).json())
        }
        return metadata
    }

    private static func text(_ data: Data) -> String { String(decoding: data, as: UTF8.self) }

    private static func name(_ key: String, _ table: KeyTable, _ part: String) throws -> String {
        guard let name = table.translated(key) else {
            throw GenerationError(
                "\(part).\(key)", expected: "a parameter that checkpoints in one file have a name for", found: "none")
        }
        return name
    }

    private static func collect(
        _ store: any ModelStore, _ part: String, _ body: (String, Tensor) throws -> Void
    ) throws {
        for (key, tensor) in try tensors(store, part) { try body(key, tensor) }
    }

    private static func tensors(_ store: any ModelStore, _ part: String) throws -> [String: Tensor] {
        let source = try store.weights(of: part, floatingPoint: nil)
        // A text encoder saved by itself lacks the prefix that every layout has.
        let isBare = source.keys.contains("embeddings.token_embedding.weight")
        var tensors: [String: Tensor] = [:]
        for key in source.keys where !key.hasSuffix("position_ids") {
            let isInner = isBare && key != "text_projection.weight"
            let tensor = try source.tensor(key, shape: nil, initial: nil)
            guard tensor?.isFinite ?? true else {
                throw GenerationError(
                    "\(store.path): \(part).\(key)", expected: "finite weights", found: "infinite ones or NaN")
            }
            tensors[isInner ? "text_model.\(key)" : key] = tensor
        }
        return tensors
    }

    /// An OpenCLIP encoder under its own names: queries, keys and values in one matrix, the projection transposed.
    private static func openCLIP(_ store: any ModelStore, _ part: String, _ prefix: String) throws -> [String: Tensor] {
        let tensors = try tensors(store, part)
        var result: [String: Tensor] = [:]
        for (key, tensor) in tensors where !key.contains("_proj.") || key.contains("out_proj") {
            result[prefix + (try OpenCLIPKeys.storedName(of: key))] =
                key == "text_projection.weight" ? tensor.transposed(0, 1) : tensor
        }
        let layers = try store.configuration(CLIPTextConfiguration.self, of: part).layers
        for layer in 0..<layers {
            for kind in ["weight", "bias"] {
                let parts = try ["q", "k", "v"].map { letter in
                    let key = "text_model.encoder.layers.\(layer).self_attn.\(letter)_proj.\(kind)"
                    guard let tensor = tensors[key] else {
                        throw GenerationError(store.path, expected: "\(part).\(key)", found: "no such tensor")
                    }
                    return tensor
                }
                result["\(prefix)transformer.resblocks.\(layer).attn.in_proj_\(kind)"] = concatenated(parts, axis: 0)
            }
        }
        return result
    }
}
