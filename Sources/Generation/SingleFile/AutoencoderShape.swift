import DiffusionModels

extension AutoencoderKLConfiguration {
    /// The configuration that the shapes of a latent-diffusion autoencoder tell.
    ///
    /// - Parameters:
    ///   - shapes: of the keys under `first_stage_model.`, or of a file that holds an autoencoder alone.
    ///   - scalingFactor: which no tensor tells.
    /// - Throws: `GenerationError` when a tensor that tells something is missing.
    init(ldm shapes: StoredShapes, scalingFactor: Float, path: String) throws {
        self.init()
        let levels = shapes.count("encoder.down")
        var widths: [Int] = []
        for level in 0..<levels {
            let key = "encoder.down.\(level).block.0.conv1.weight"
            guard let width = shapes.size(key, 0) else {
                throw GenerationError(
                    path, expected: "an autoencoder with \(shapes.prefix)\(key)", found: "no such tensor")
            }
            widths.append(width)
        }
        guard levels > 0, let latents = shapes.size("decoder.conv_in.weight", 1) else {
            throw GenerationError(
                path, expected: "an autoencoder with \(shapes.prefix)encoder.down and decoder.conv_in",
                found: "no such tensors")
        }
        blockOutChannels = widths
        layersPerBlock = shapes.count("encoder.down.0.block")
        downBlockTypes = [String](repeating: "DownEncoderBlock2D", count: levels)
        upBlockTypes = [String](repeating: "UpDecoderBlock2D", count: levels)
        latentChannels = latents
        normGroups = 32
        useQuantConv = shapes.contains("quant_conv.weight")
        usePostQuantConv = shapes.contains("post_quant_conv.weight")
        midBlockAddAttention = shapes.contains("encoder.mid.attn_1.q.weight")
        sampleSize = 512
        self.scalingFactor = scalingFactor
    }

    /// The configuration that the shapes under diffusers' names tell.
    ///
    /// - Throws: `GenerationError` when a tensor that tells something is missing.
    init(diffusers shapes: StoredShapes, path: String) throws {
        self.init()
        let levels = shapes.count("encoder.down_blocks")
        blockOutChannels = (0..<levels).compactMap {
            shapes.size("encoder.down_blocks.\($0).resnets.0.conv1.weight", 0)
        }
        guard levels > 0, blockOutChannels.count == levels, let latents = shapes.size("decoder.conv_in.weight", 1)
        else {
            throw GenerationError(
                path, expected: "an autoencoder with encoder.down_blocks and decoder.conv_in",
                found: "no such tensors")
        }
        layersPerBlock = shapes.count("encoder.down_blocks.0.resnets")
        downBlockTypes = [String](repeating: "DownEncoderBlock2D", count: levels)
        upBlockTypes = [String](repeating: "UpDecoderBlock2D", count: levels)
        latentChannels = latents
        useQuantConv = shapes.contains("quant_conv.weight")
        usePostQuantConv = shapes.contains("post_quant_conv.weight")
        midBlockAddAttention = shapes.keys.contains { $0.hasPrefix("encoder.mid_block.attentions.0.") }
    }
}
