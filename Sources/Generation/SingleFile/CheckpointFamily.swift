import Samplers

/// Which Stable Diffusion a checkpoint in one file is, told by its keys.
public enum CheckpointFamily: String, Sendable, CaseIterable, Codable {
    case stableDiffusion1 = "Stable Diffusion 1"
    case stableDiffusion2 = "Stable Diffusion 2"
    case sdxl = "Stable Diffusion XL"
    case sdxlRefiner = "Stable Diffusion XL Refiner"

    static let unetPrefix = "model.diffusion_model."

    /// - Parameter keys: of the whole file.
    /// - Throws: `GenerationError` saying what the file seems to be instead.
    init(keys: Set<String>, path: String) throws {
        func has(_ prefix: String) -> Bool { keys.contains { $0.hasPrefix(prefix) } }
        guard has(Self.unetPrefix + "input_blocks.") else {
            throw GenerationError(
                path, expected: "a Stable Diffusion checkpoint (keys under model.diffusion_model.input_blocks)",
                found: Self.describe(keys))
        }
        if has("conditioner.embedders.1.model.") {
            self = .sdxl
        } else if has("conditioner.embedders.0.model.") {
            self = .sdxlRefiner
        } else if has("cond_stage_model.model.") {
            self = .stableDiffusion2
        } else if has("cond_stage_model.transformer.") {
            self = .stableDiffusion1
        } else {
            throw GenerationError(
                path, expected: "a text encoder under cond_stage_model. or conditioner.embedders.",
                found: "a UNet without one")
        }
    }

    /// What a file that is no checkpoint of these families is, as far as its keys tell.
    static func describe(_ keys: Set<String>) -> String {
        func has(_ part: String) -> Bool { keys.contains { $0.contains(part) } }
        let kinds = [
            ("lora_", "a LoRA: an adapter, not a model"), ("hada_w1", "a LoHa: an adapter, not a model"),
            ("lokr_w", "a LoKr: an adapter, not a model"), ("joint_blocks.", "a Stable Diffusion 3 model"),
            ("double_blocks.", "a FLUX model"), ("control_model.", "a ControlNet"),
            ("emb_params", "a textual-inversion embedding"), ("string_to_param", "a textual-inversion embedding"),
            ("encoder.down.", "an autoencoder alone"), ("decoder.up_blocks.", "an autoencoder alone"),
            ("decoder.layers.", "a tiny autoencoder alone"), ("3.conv.0.weight", "a tiny autoencoder alone"),
            ("text_model.encoder.", "a text encoder alone"), ("clip_g", "a textual-inversion embedding"),
            ("down_blocks.", "one part of a model under diffusers' names; give its folder instead"),
        ]
        if let kind = kinds.first(where: { has($0.0) }) { return kind.1 }
        guard let example = keys.min() else { return "a file without tensors" }
        // diffusers' embeddings have one key, the word itself.
        if keys.count == 1, example.hasPrefix("<"), example.hasSuffix(">") { return "a textual-inversion embedding" }
        return "\(keys.count) tensors such as \(example)"
    }

    /// What the latents are multiplied by.
    var scalingFactor: Float {
        switch self {
        case .stableDiffusion1, .stableDiffusion2: 0.18215
        case .sdxl, .sdxlRefiner: 0.13025
        }
    }

    /// How the family was trained and likes to be sampled, as the folders that its makers published say.
    ///
    /// - Parameters:
    ///   - prediction: what a marker in the file says that the UNet predicts; nil when it says nothing.
    ///   - hasZeroTerminalSNR: whether a marker says that the last timestep is pure noise.
    func scheduler(prediction: PredictionType?, hasZeroTerminalSNR: Bool) -> SchedulerConfiguration {
        var scheduler = SchedulerConfiguration.stableDiffusion
        switch self {
        case .stableDiffusion1:
            scheduler.className = "PNDMScheduler"
            scheduler.skipsRungeKutta = true
        case .stableDiffusion2: scheduler.predictionType = .velocity
        case .sdxl, .sdxlRefiner: scheduler.className = "EulerDiscreteScheduler"
        }
        if let prediction { scheduler.predictionType = prediction }
        if hasZeroTerminalSNR {
            scheduler.rescalesToZeroSNR = true
            scheduler.timestepSpacing = .trailing
            // PNDM divides by the signal, of which the first timestep has none.
            if self == .stableDiffusion1 { scheduler.className = "DDIMScheduler" }
        }
        return scheduler
    }
}
