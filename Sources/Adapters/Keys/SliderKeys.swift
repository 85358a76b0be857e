extension AdapterFormat {
    /// Concept Sliders: kohya's grammar over diffusers' module names, for every family.
    ///
    ///     lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0.lora_down.weight
    ///
    /// Follows rohitgandikota/sliders `utils/lora.py`; its files are read as kohya's.
    public static let sliders = AdapterFormat("sliders", storesAlpha: true, parse: kohyaKey) { module, role, isXL in
        kohyaPrefix(module.part, isXL).flatMap { prefix in
            role == .magnitudeVector ? nil : "\(prefix)\(flattened(module.name)).\(role.rawValue)"
        }
    }
}
