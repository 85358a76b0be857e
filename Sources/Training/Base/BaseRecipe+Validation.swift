import DiffusionModels
import Layers
import Samplers
import TextModels
import World

extension BaseRecipe {
    /// Checks what the types cannot say, before any memory or time is spent.
    ///
    /// - Parameters:
    ///   - hasAutoencoder: whether a trained autoencoder is there, which may be used as it is: 0 steps.
    ///   - hasDenoiser: whether trained networks are there, so that the autoencoder's decoder may be trained alone.
    /// - Throws: `TrainingError.invalidRecipe`, naming the key.
    func validate(hasAutoencoder: Bool = false, hasDenoiser: Bool = false) throws {
        func require(_ condition: Bool, _ key: String, _ expected: String, _ found: Any) throws {
            guard condition else {
                throw TrainingError.invalidRecipe(key: key, expected: expected, found: "\(found)")
            }
        }
        try require(!name.isEmpty, "name", "a name", "an empty one")
        try require((1...10_000_000).contains(data.count), "data.count", "1 to 10000000 pictures", data.count)
        try require((16...4096).contains(data.size), "data.size", "16 to 4096 pixels", data.size)
        let factor = vae.downsamplingFactor
        try require(data.size % factor == 0, "data.size", "a multiple of \(factor)", data.size)
        try require(
            autoencoder.crop % factor == 0 && (factor...data.size).contains(autoencoder.crop), "autoencoder.crop",
            "a multiple of \(factor) up to \(data.size)", autoencoder.crop)
        try require(
            ((hasAutoencoder ? 0 : 1)...100_000_000).contains(autoencoder.steps), "autoencoder.steps",
            hasAutoencoder ? "0 or more" : "at least 1 (0 needs a warm start with a vae)", autoencoder.steps)
        for (key, value) in [
            ("reading.steps", reading?.steps ?? 1),
            ("autoencoder.samples_every", autoencoder.samplesEvery),
            ("autoencoder.checkpoint_every", autoencoder.checkpointEvery),
            ("reading.checkpoint_every", reading?.checkpointEvery ?? 1),
            ("denoiser.samples_every", denoiser.samplesEvery),
            ("denoiser.checkpoint_every", denoiser.checkpointEvery),
        ] { try require((1...100_000_000).contains(value), key, "1 to 100000000", value) }
        for (key, value) in [
            ("autoencoder.batch", autoencoder.batch), ("reading.batch", reading?.batch ?? 1),
            ("denoiser.batch", denoiser.batch),
        ] { try require((1...4096).contains(value), key, "1 to 4096", value) }
        let holdsLatents = autoencoder.decoderNoise != nil || autoencoder.latentAnchor != nil
        let keepsLatents = hasDenoiser && (autoencoder.steps == 0 || holdsLatents)
        try require(
            ((keepsLatents ? 0 : 1)...100_000_000).contains(denoiser.steps), "denoiser.steps",
            keepsLatents ? "0 or more" : "at least 1 (0 needs a warm start whose latents stay)", denoiser.steps)
        try require(
            (0...2).contains(autoencoder.decoderNoise ?? 0), "autoencoder.decoder_noise", "0 to 2",
            autoencoder.decoderNoise ?? 0)
        try require(
            (0...1000).contains(autoencoder.textureWeight ?? 0)
                && (autoencoder.textureWeight == nil || autoencoder.crop > 8),
            "autoencoder.texture_weight", "0 to 1000, and crops of more than 8", autoencoder.textureWeight ?? 0)
        try require(
            autoencoder.latentAnchor == nil || hasAutoencoder, "autoencoder.latent_anchor",
            "a warm start with a vae, whose latents it holds", "none")
        try require(
            (0...1000).contains(autoencoder.latentAnchor ?? 0), "autoencoder.latent_anchor", "0 to 1000",
            autoencoder.latentAnchor ?? 0)
        try require(
            (0...1).contains(autoencoder.styledShare ?? 0), "autoencoder.styled_share", "0 to 1",
            autoencoder.styledShare ?? 0)
        for (key, shards, batch) in [
            ("autoencoder.shards", autoencoder.shards, autoencoder.batch),
            ("denoiser.shards", denoiser.shards, denoiser.batch),
        ] {
            guard let shards else { continue }
            try require(
                shards > 0 && batch % shards == 0, key, "a divisor of the batch (\(batch))", shards)
        }
        try require(
            (0...1e6).contains(denoiser.minSNRGamma), "denoiser.min_snr_gamma", "0 to 1000000", denoiser.minSNRGamma)
        try checkNetworks()
        try require((8...1024).contains(tokenizer.length), "tokenizer.length", "8 to 1024 tokens", tokenizer.length)
        try require((0...50_000).contains(tokenizer.merges), "tokenizer.merges", "0 to 50000", tokenizer.merges)
        try require(
            unet.inChannels == vae.latentChannels && unet.outChannels == vae.latentChannels, "unet.in_channels",
            "vae.latent_channels (\(vae.latentChannels))", unet.inChannels)
        try require(
            (1...data.count).contains(denoiser.pictures), "denoiser.pictures", "1 to data.count (\(data.count))",
            denoiser.pictures)
        try require(
            (0...1).contains(data.portraitShare ?? 0.5), "data.portrait_share", "0 to 1", data.portraitShare ?? 0.5)
        try require(
            (0...1).contains(denoiser.promptDropout), "denoiser.prompt_dropout", "0 to 1", denoiser.promptDropout)
        try require(
            (0...1).contains(denoiser.textEncoderRate), "denoiser.text_encoder_rate", "0 to 1",
            denoiser.textEncoderRate)
        for part in SceneDetail.Part.allCases {
            guard let weight = denoiser.detailWeights?[part] else { continue }
            try require((0...1000).contains(weight), "denoiser.detail_weights.\(part.rawValue)", "0 to 1000", weight)
        }
        if let sampling {
            try require(
                (0...1000).contains(sampling.guidanceScale), "sampling.guidance_scale", "0 to 1000",
                sampling.guidanceScale)
            try require((1...1000).contains(sampling.steps), "sampling.steps", "1 to 1000", sampling.steps)
        }
        for (key, optimizer) in [
            ("autoencoder.optimizer", autoencoder.optimizer), ("reading.optimizer", reading?.optimizer),
            ("denoiser.optimizer", denoiser.optimizer),
        ] {
            guard let optimizer else { continue }
            try optimizer.validate(key)
        }
    }

    /// Checks the three networks and the scheduler as the finished model's reader will, and that they fit together.
    private func checkNetworks() throws {
        func check(_ part: String, _ body: () throws -> Void) throws {
            do {
                try body()
            } catch let error as ConfigurationError {
                throw TrainingError.invalidRecipe(
                    key: "\(part).\(error.key)", expected: error.expected, found: error.found)
            } catch let error as SamplerError {
                throw TrainingError.invalidRecipe(
                    key: part, expected: "a schedule that can be sampled", found: error.description)
            }
        }
        try check("vae", vae.validate)
        try check("text_encoder", textEncoder.validate)
        try check("unet", unet.validate)
        guard unet.crossAttentionDim == .all(textEncoder.hiddenSize) else {
            throw TrainingError.invalidRecipe(
                key: "unet.cross_attention_dim", expected: "text_encoder.hidden_size \(textEncoder.hiddenSize)",
                found: "\(unet.crossAttentionDim)")
        }
        guard unet.additionEmbedType == nil else {
            throw TrainingError.invalidRecipe(
                key: "unet.addition_embed_type", expected: "none", found: unet.additionEmbedType ?? "")
        }
        try check("scheduler") {
            guard scheduler.predictionType != .flow else {
                throw SamplerError.configuration(
                    key: "prediction_type", expected: "epsilon, v_prediction or sample", found: "flow_prediction")
            }
            _ = try Sampler(named: scheduler.samplerName, configuration: scheduler, steps: 2)
        }
    }
}
