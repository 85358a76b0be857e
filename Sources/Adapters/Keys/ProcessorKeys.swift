extension AdapterFormat {
    /// The first diffusers files: the factors belong to attention's processor, so there are names for attention only.
    ///
    ///     unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight
    ///     text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora.up.weight
    public static let processors = AdapterFormat(
        "diffusers-old", storesAlpha: false, parse: processorKey
    ) { module, role, _ in processorName(module, role) }

    /// The projections of the UNet and of the text encoders by their names in the processor.
    private static let projections: [(name: String, unet: String, text: String)] = [
        ("to_q_lora", "to_q", "q_proj"), ("to_k_lora", "to_k", "k_proj"), ("to_v_lora", "to_v", "v_proj"),
        ("to_out_lora", "to_out.0", "out_proj"),
    ]

    private static func processorKey(_ key: String) -> AdapterKey? {
        for (ending, role) in [(".down.weight", AdapterRole.down), (".up.weight", .up)] {
            guard let path = key.dropping(suffix: ending) else { continue }
            for projection in projections {
                guard let parent = path.dropping(suffix: "." + projection.name) else { continue }
                let (part, name) = partAndName(parent)
                let isText = part?.hasPrefix("text_encoder") ?? name.hasSuffix("self_attn")
                let module = isText ? name : name.dropping(suffix: ".processor") ?? name
                return AdapterKey(
                    part: part ?? (isText ? "text_encoder" : "unet"),
                    name: "\(module).\(isText ? projection.text : projection.unet)", isFlat: false, role: role)
            }
        }
        return nil
    }

    private static func processorName(_ module: AdaptableModule, _ role: AdapterRole) -> String? {
        guard role == .down || role == .up else { return nil }
        let isText = module.part.hasPrefix("text_encoder")
        for projection in projections {
            guard let parent = module.path.dropping(suffix: "." + (isText ? projection.text : projection.unet)),
                parent.hasSuffix("attn1") || parent.hasSuffix("attn2") || parent.hasSuffix("self_attn")
            else { continue }
            let holder = isText ? parent : parent + ".processor"
            return "\(holder).\(projection.name).\(role == .down ? "down" : "up").weight"
        }
        return nil
    }
}
