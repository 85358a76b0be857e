import DiffusionModels
import Foundation
import Samplers
import TensorCore
import TextModels
import Tokenizers
import Weights

/// Writes trained networks as a folder that diffusers' `StableDiffusionPipeline.from_pretrained` reads.
struct ModelExport {
    let recipe: BaseRecipe
    let vaeConfiguration: AutoencoderKLConfiguration
    let vae: [String: Tensor]
    /// Under `text_encoder.` and `unet.`.
    let denoiser: [String: Tensor]
    let tokenizer: CLIPTokenizer

    /// Replaces `folder` as a whole.
    func write(to folder: URL, steps: Int, fingerprint: String) throws {
        let manager = FileManager.default
        let staging = folder.deletingLastPathComponent()
            .appending(path: ".\(folder.lastPathComponent)-\(UUID().uuidString)")
        defer { try? manager.removeItem(at: staging) }
        let metadata = ["format": "pt", "recipe": fingerprint, "steps": String(steps)]
        try part("unet", ParameterSet.scoped(denoiser, "unet").tensors, "diffusion_pytorch_model", staging, metadata)
        try part(
            "text_encoder", ParameterSet.scoped(denoiser, "text_encoder").tensors, "model", staging, metadata)
        try part("vae", vae, "diffusion_pytorch_model", staging, metadata)
        try write(recipe.unet, "UNet2DConditionModel", to: staging.appending(path: "unet/config.json"))
        try write(vaeConfiguration, "AutoencoderKL", to: staging.appending(path: "vae/config.json"))
        try write(
            recipe.textEncoder, ["architectures": ["CLIPTextModel"], "model_type": "clip_text_model"],
            to: staging.appending(path: "text_encoder/config.json"))
        try write(
            recipe.scheduler, "DDIMScheduler", to: staging.appending(path: "scheduler/scheduler_config.json"))
        try tokenizer.write(to: staging.appending(path: "tokenizer"))
        try writeJSON(
            [
                "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0",
                "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
                "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
                "scheduler": ["diffusers", "DDIMScheduler"], "safety_checker": [NSNull(), NSNull()],
                "feature_extractor": [NSNull(), NSNull()], "requires_safety_checker": false,
            ], to: staging.appending(path: "model_index.json"))
        // A folder cannot be renamed over another one: the old one steps aside first, and comes back on failure.
        guard manager.fileExists(atPath: folder.path) else { return try manager.moveItem(at: staging, to: folder) }
        let aside = folder.deletingLastPathComponent()
            .appending(path: ".\(folder.lastPathComponent)-old-\(UUID().uuidString)")
        try manager.moveItem(at: folder, to: aside)
        do {
            try manager.moveItem(at: staging, to: folder)
        } catch {
            try? manager.moveItem(at: aside, to: folder)
            throw error
        }
        try? manager.removeItem(at: aside)
    }

    private func part(
        _ name: String, _ tensors: [String: Tensor], _ file: String, _ folder: URL, _ metadata: [String: String]
    ) throws {
        let folder = folder.appending(path: name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try writeSafetensors(
            tensors, floatingPoint: .float16, metadata: metadata,
            to: folder.appending(path: file + ".safetensors").path)
    }

    private func write(_ configuration: some Encodable, _ className: String, to path: URL) throws {
        try write(configuration, ["_class_name": className, "_diffusers_version": "0.30.0"], to: path)
    }

    /// The configuration's own keys and the given ones, in one JSON object.
    private func write(_ configuration: some Encodable, _ extra: [String: Any], to path: URL) throws {
        let encoded = try JSONSerialization.jsonObject(with: JSONEncoder().encode(configuration))
        var object = encoded as? [String: Any] ?? [:]
        object.merge(extra) { _, new in new }
        // Only of use to a model that starts from scratch; written as the whole number 1, transformers refuses it.
        object["initializer_factor"] = nil
        try writeJSON(object, to: path)
    }

    private func writeJSON(_ object: [String: Any], to path: URL) throws {
        try FileManager.default.createDirectory(
            at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        let data = try JSONSerialization.data(
            withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        try data.write(to: path, options: .atomic)
    }
}
