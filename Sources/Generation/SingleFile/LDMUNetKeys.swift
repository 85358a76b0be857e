import DiffusionModels
import Layers

extension KeyTable {
    /// The UNet of latent-diffusion checkpoints (`input_blocks`, `middle_block`, `output_blocks`) and of diffusers.
    ///
    /// Input and output blocks count residual blocks and samplers through all resolutions; diffusers has a list for
    /// each resolution. Follows the modules of `openaimodel.py` in CompVis/latent-diffusion.
    static func ldmUNet(_ configuration: UNet2DConditionConfiguration) throws -> KeyTable {
        var pairs = [
            ("time_embed.0", "time_embedding.linear_1"), ("time_embed.2", "time_embedding.linear_2"),
            ("label_emb.0.0", "add_embedding.linear_1"), ("label_emb.0.2", "add_embedding.linear_2"),
            ("input_blocks.0.0", "conv_in"), ("out.0", "conv_norm_out"), ("out.2", "conv_out"),
        ]
        func residual(_ here: String, _ there: String) {
            for (old, new) in [
                ("in_layers.0", "norm1"), ("in_layers.2", "conv1"), ("emb_layers.1", "time_emb_proj"),
                ("out_layers.0", "norm2"), ("out_layers.3", "conv2"), ("skip_connection", "conv_shortcut"),
            ] { pairs.append(("\(here).\(old)", "\(there).\(new)")) }
        }
        let levels = configuration.downBlockTypes.count
        let layers = try configuration.layersPerBlock.values(levels, key: "layers_per_block")
        var position = 1
        for level in 0..<levels {
            for layer in 0..<layers[level] {
                residual("input_blocks.\(position).0", "down_blocks.\(level).resnets.\(layer)")
                pairs.append(("input_blocks.\(position).1", "down_blocks.\(level).attentions.\(layer)"))
                position += 1
            }
            guard level < levels - 1 else { break }
            pairs.append(("input_blocks.\(position).0.op", "down_blocks.\(level).downsamplers.0.conv"))
            position += 1
        }
        residual("middle_block.0", "mid_block.resnets.0")
        pairs.append(("middle_block.1", "mid_block.attentions.0"))
        residual("middle_block.2", "mid_block.resnets.1")
        position = 0
        for block in 0..<levels {
            let count = layers[levels - 1 - block] + 1
            let hasAttention = configuration.upBlockTypes[block].hasPrefix("CrossAttn")
            for layer in 0..<count {
                residual("output_blocks.\(position).0", "up_blocks.\(block).resnets.\(layer)")
                if hasAttention {
                    pairs.append(("output_blocks.\(position).1", "up_blocks.\(block).attentions.\(layer)"))
                }
                position += 1
            }
            guard block < levels - 1 else { break }
            // The sampler follows the last block's attention, or stands in its place.
            let place = hasAttention ? 2 : 1
            pairs.append(("output_blocks.\(position - 1).\(place).conv", "up_blocks.\(block).upsamplers.0.conv"))
        }
        return KeyTable(pairs)
    }
}
