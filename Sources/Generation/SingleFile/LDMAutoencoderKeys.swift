import DiffusionModels

extension KeyTable {
    /// The autoencoder of latent-diffusion checkpoints and of diffusers; the way up is numbered from its other end.
    static func ldmAutoencoder(_ configuration: AutoencoderKLConfiguration) -> KeyTable {
        var pairs = [("quant_conv", "quant_conv"), ("post_quant_conv", "post_quant_conv")]
        func residual(_ here: String, _ there: String) {
            for name in ["norm1", "conv1", "norm2", "conv2"] { pairs.append(("\(here).\(name)", "\(there).\(name)")) }
            pairs.append(("\(here).nin_shortcut", "\(there).conv_shortcut"))
        }
        let levels = configuration.blockOutChannels.count
        for half in ["encoder", "decoder"] {
            pairs += [
                ("\(half).conv_in", "\(half).conv_in"), ("\(half).conv_out", "\(half).conv_out"),
                ("\(half).norm_out", "\(half).conv_norm_out"),
            ]
            residual("\(half).mid.block_1", "\(half).mid_block.resnets.0")
            residual("\(half).mid.block_2", "\(half).mid_block.resnets.1")
            for (old, new) in [
                ("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0"),
            ] { pairs.append(("\(half).mid.attn_1.\(old)", "\(half).mid_block.attentions.0.\(new)")) }
        }
        for level in 0..<levels {
            for block in 0..<configuration.layersPerBlock {
                residual("encoder.down.\(level).block.\(block)", "encoder.down_blocks.\(level).resnets.\(block)")
            }
            for block in 0...configuration.layersPerBlock {
                residual(
                    "decoder.up.\(level).block.\(block)", "decoder.up_blocks.\(levels - 1 - level).resnets.\(block)")
            }
            if level < levels - 1 {
                pairs.append(
                    ("encoder.down.\(level).downsample.conv", "encoder.down_blocks.\(level).downsamplers.0.conv"))
            }
            if level > 0 {
                pairs.append(
                    ("decoder.up.\(level).upsample.conv", "decoder.up_blocks.\(levels - 1 - level).upsamplers.0.conv"))
            }
        }
        return KeyTable(pairs)
    }
}

extension StoredShapes {
    /// An autoencoder's stored keys by diffusers' names; attention's 1x1 kernels are matrices there.
    func ldmAutoencoderEntries(_ configuration: AutoencoderKLConfiguration) -> [String: StoredTensor] {
        let table = KeyTable.ldmAutoencoder(configuration)
        return renamed { key in
            let isProjection = key.contains(".attn_1.") && !key.contains(".norm.") && key.hasSuffix(".weight")
            return [(table.translated(key), isProjection ? .matrix : .same)]
        }
    }
}
