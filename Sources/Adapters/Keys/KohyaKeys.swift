extension AdapterFormat {
    /// kohya-ss/sd-scripts and LyCORIS: `lora_unet_` and the module's path with underscores, a dot, the role.
    ///
    ///     lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight
    ///     lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.alpha     (SDXL: latent-diffusion names)
    ///     lora_te2_text_model_encoder_layers_0_self_attn_q_proj.dora_scale
    ///
    /// Read in either spelling. Written with the latent-diffusion code's names for models with two text encoders, as
    /// sd-scripts does, and with diffusers' otherwise.
    public static let kohya = AdapterFormat("kohya", storesAlpha: true, parse: kohyaKey) { module, role, isXL in
        kohyaPrefix(module.part, isXL).flatMap { prefix in
            let name = isXL ? module.alias ?? module.name : module.name
            return role == .magnitudeVector ? nil : "\(prefix)\(flattened(name)).\(role.rawValue)"
        }
    }

    private static let prefixes: [(prefix: String, part: String?)] = [
        ("lora_unet_", "unet"), ("lora_te1_", "text_encoder"), ("lora_te2_", "text_encoder_2"),
        ("lora_te_", "text_encoder"), ("lycoris_", nil),
    ]

    static func kohyaKey(_ key: String) -> AdapterKey? {
        guard let dot = key.firstIndex(of: "."), let role = AdapterRole(rawValue: String(key[key.index(after: dot)...]))
        else { return nil }
        for (prefix, part) in prefixes {
            guard let name = String(key[..<dot]).dropping(prefix: prefix) else { continue }
            return AdapterKey(part: part, name: name, isFlat: true, role: role)
        }
        return nil
    }

    /// The prefix of a part; an only text encoder has no number.
    static func kohyaPrefix(_ part: String, _ isXL: Bool) -> String? {
        switch part {
        case "unet": "lora_unet_"
        case "text_encoder": isXL ? "lora_te1_" : "lora_te_"
        case "text_encoder_2": "lora_te2_"
        default: nil
        }
    }
}
