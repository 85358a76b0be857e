extension AdapterFormat {
    /// diffusers before PEFT: dotted paths and `lora.down`; `lora_linear_layer` in text encoders.
    ///
    ///     unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora.down.weight
    ///     text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight
    ///
    /// Read also with kohya's names of the roles behind a dotted path.
    public static let diffusers = AdapterFormat("diffusers", storesAlpha: false, parse: diffusersKey) {
        module, role, _ in
        let stem = module.part.hasPrefix("text_encoder") ? "lora_linear_layer" : "lora"
        return switch role {
        case .down: "\(module.path).\(stem).down.weight"
        case .up: "\(module.path).\(stem).up.weight"
        default: nil
        }
    }

    private static func diffusersKey(_ key: String) -> AdapterKey? {
        for (suffix, role) in [
            (".lora.down.weight", AdapterRole.down), (".lora.up.weight", .up), (".lora.alpha", .alpha),
            (".lora_linear_layer.down.weight", .down), (".lora_linear_layer.up.weight", .up),
        ] {
            if let path = key.dropping(suffix: suffix) { return self.key(path, role) }
        }
        for role in AdapterRole.allCases where role != .magnitudeVector {
            if let path = key.dropping(suffix: "." + role.rawValue) { return self.key(path, role) }
        }
        return nil
    }

    private static func key(_ path: String, _ role: AdapterRole) -> AdapterKey? {
        guard !path.contains(".processor") else { return nil }
        let (part, name) = partAndName(path)
        return AdapterKey(part: part, name: name, isFlat: false, role: role)
    }
}
