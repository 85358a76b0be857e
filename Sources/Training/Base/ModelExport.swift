import DiffusionModels
import Foundation
import Generation
import Samplers
import TensorCore
import TextModels
import Tokenizers

/// Writes trained networks as a folder that diffusers' `StableDiffusionPipeline.from_pretrained` reads.
struct ModelExport {
    let recipe: BaseRecipe
    let vaeConfiguration: AutoencoderKLConfiguration
    let vae: [String: Tensor]
    /// Under `text_encoder.` and `unet.`.
    let denoiser: [String: Tensor]
    let tokenizer: CLIPTokenizer

    /// Replaces the files of an export that stands there, and nothing else.
    func write(to folder: URL, steps: Int, fingerprint: String) throws {
        var writer = try ModelFolderWriter(
            folder: folder, floatingPoint: .float16, metadata: ["recipe": fingerprint, "steps": String(steps)])
        do {
            try writer.add(
                "unet", className: "UNet2DConditionModel", configuration: recipe.unet,
                tensors: ParameterSet.scoped(denoiser, "unet").tensors)
            try writer.add(
                "text_encoder", className: "CLIPTextModel", configuration: recipe.textEncoder,
                tensors: ParameterSet.scoped(denoiser, "text_encoder").tensors)
            try writer.add("vae", className: "AutoencoderKL", configuration: vaeConfiguration, tensors: vae)
            try writer.add("tokenizer", tokenizer)
            try writer.add(recipe.scheduler)
            if let sampling = recipe.sampling {
                try writer.add(SamplingDefaults(guidanceScale: sampling.guidanceScale, steps: sampling.steps))
            }
            try writer.commit(
                className: "StableDiffusionPipeline",
                options: [
                    "safety_checker": [NSNull(), NSNull()], "feature_extractor": [NSNull(), NSNull()],
                    "requires_safety_checker": false,
                ])
        } catch {
            writer.abandon()
            throw error
        }
    }
}
