internal import TensorCore
internal import Weights

extension GGUFGrammar {
    static let gemma = GGUFGrammar(
        architectures: ["gemma2", "gemma3"],
        names: ["token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"],
        layerNames: [
            "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
            "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
            "attn_k_norm": "self_attn.k_norm", "post_attention_norm": "post_attention_layernorm",
            "ffn_norm": "pre_feedforward_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj", "post_ffw_norm": "post_feedforward_layernorm",
        ],
        layerPrefix: "model.layers",
        configuration: { metadata in
            let isSecond = metadata.architecture == "gemma2"
            var configuration = GemmaConfiguration()
            configuration.modelType = isSecond ? "gemma2" : "gemma3_text"
            configuration.vocabularySize = try metadata.vocabularySize()
            configuration.hiddenSize = try metadata.integer("embedding_length")
            configuration.intermediateSize = try metadata.integer("feed_forward_length")
            configuration.layers = try metadata.integer("block_count")
            configuration.heads = try metadata.integer("attention.head_count")
            configuration.keyHeads = try metadata.integer("attention.head_count_kv", or: configuration.heads)
            configuration.headDimension = try metadata.integer("attention.key_length", or: 256)
            configuration.maximumPositions = try metadata.integer("context_length")
            configuration.normEpsilon = Float(try metadata.number("attention.layer_norm_rms_epsilon"))
            configuration.window = try metadata.integer("attention.sliding_window", or: isSecond ? 4096 : 1024)
            let pattern = isSecond ? 2 : 6
            configuration.layerTypes = (0..<max(0, min(configuration.layers, 512))).map {
                ($0 + 1) % pattern == 0 ? .full : .sliding
            }
            // The largest models divide by the width of the model over its heads; files do not say it.
            let isLargest = configuration.layers == (isSecond ? 46 : 62)
            configuration.queryScalar = Float(
                isLargest ? configuration.hiddenSize / max(configuration.heads, 1) : configuration.headDimension)
            if isSecond {
                configuration.scoreCap = try metadata.optionalNumber("attn_logit_softcapping").map { Float($0) }
                configuration.logitCap = try metadata.optionalNumber("final_logit_softcapping").map { Float($0) }
            }
            configuration.rotary = try metadata.rotary(theta: isSecond ? 10_000 : 1_000_000)
            configuration.slidingRotary = isSecond ? configuration.rotary : RotaryParameters(theta: 10_000)
            configuration.isTied = metadata.isTied
            configuration.beginTokenID = try metadata.beginToken()
            configuration.endTokenIDs = try metadata.endTokens()
            return configuration
        },
        // The file's norms hold 1 + weight. In 32 bits, as what is left of 1 is small.
        translate: { tensor, key, _ in
            key.hasSuffix("norm.weight") ? (tensor.converted(to: .float32) - 1).frozen() : tensor
        })
}
