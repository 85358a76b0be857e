extension AdapterFormat {
    /// PEFT, and diffusers since it builds on PEFT: dotted paths.
    ///
    ///     unet.down_blocks.0.attentions.0.proj_in.lora_A.weight
    ///     base_model.model.conv_in.lora_B.default.weight
    ///     unet.mid_block.resnets.0.conv1.lora_magnitude_vector
    ///
    /// Alpha is not among the tensors: it stands in the metadata or in `adapter_config.json`.
    public static let peft = AdapterFormat("peft", storesAlpha: false, parse: peftKey) { module, role, _ in
        switch role {
        case .down: "\(module.path).lora_A.weight"
        case .up: "\(module.path).lora_B.weight"
        case .magnitudeVector: "\(module.path).lora_magnitude_vector"
        case .alpha, .mid, .magnitude, .difference, .biasDifference: nil
        default: "\(module.path).\(role.rawValue)"
        }
    }

    private static let peftRoles: [Substring: AdapterRole] = {
        var roles: [Substring: AdapterRole] = [
            "lora_A": .down, "lora_B": .up, "lora_magnitude_vector": .magnitudeVector,
        ]
        for role in AdapterRole.allCases where role.rawValue.hasPrefix("hada_") || role.rawValue.hasPrefix("lokr_") {
            roles[Substring(role.rawValue)] = role
        }
        return roles
    }()

    private static func peftKey(_ key: String) -> AdapterKey? {
        let components = key.split(separator: ".", omittingEmptySubsequences: false)
        guard let place = components.lastIndex(where: { peftRoles[$0] != nil }), place > 0,
            let role = peftRoles[components[place]]
        else { return nil }
        // What follows is an adapter's name, `weight`, both or nothing.
        let rest = components[(place + 1)...]
        // `lora_B.bias` is no adapter of that name.
        guard rest.last != "bias", rest.count < 2 || (rest.count == 2 && rest.last == "weight") else { return nil }
        let (part, name) = partAndName(components[..<place].joined(separator: "."))
        return AdapterKey(part: part, name: name, isFlat: false, role: role)
    }
}
