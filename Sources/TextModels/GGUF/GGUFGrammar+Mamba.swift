internal import TensorCore
internal import Weights

extension GGUFGrammar {
    static let mamba = GGUFGrammar(
        architectures: ["mamba"],
        names: ["token_embd": "backbone.embeddings", "output_norm": "backbone.norm_f", "output": "lm_head"],
        layerNames: [
            "attn_norm": "norm", "ssm_in": "mixer.in_proj", "ssm_conv1d": "mixer.conv1d", "ssm_x": "mixer.x_proj",
            "ssm_dt": "mixer.dt_proj", "ssm_a": "mixer.A_log", "ssm_d": "mixer.D", "ssm_out": "mixer.out_proj",
        ],
        layerPrefix: "backbone.layers",
        configuration: { metadata in
            var configuration = MambaConfiguration()
            configuration.vocabularySize = try metadata.vocabularySize()
            configuration.hiddenSize = try metadata.integer("embedding_length")
            configuration.layers = try metadata.integer("block_count")
            configuration.states = try metadata.integer("ssm.state_size")
            configuration.kernel = try metadata.integer("ssm.conv_kernel")
            configuration.timeStepRank = try metadata.integer("ssm.time_step_rank")
            configuration.expand = try metadata.integer("ssm.inner_size") / max(configuration.hiddenSize, 1)
            configuration.normEpsilon = Float(try metadata.number("attention.layer_norm_rms_epsilon"))
            configuration.hasBias = metadata.header["blk.0.ssm_in.bias"] != nil
            configuration.hasConvolutionBias = metadata.header["blk.0.ssm_conv1d.bias"] != nil
            configuration.isTied = metadata.isTied
            configuration.beginTokenID = try metadata.beginToken()
            configuration.endTokenIDs = try metadata.endTokens()
            return configuration
        },
        translate: { tensor, key, _ in
            // The file has -exp(A_log), and no dimension of size 1 in the kernel.
            if key.hasSuffix(".A_log") { return log(-tensor.converted(to: .float32)).frozen() }
            if key.hasSuffix(".conv1d.weight"), tensor.rank == 2 { return tensor.unsqueezed(1) }
            return tensor
        })
}
