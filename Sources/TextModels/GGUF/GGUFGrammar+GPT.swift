internal import TensorCore
internal import Weights

extension GGUFGrammar {
    static let gpt2 = GGUFGrammar(
        architectures: ["gpt2"],
        names: [
            "token_embd": "transformer.wte", "position_embd": "transformer.wpe", "output_norm": "transformer.ln_f",
            "output": "lm_head",
        ],
        layerNames: [
            "attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
            "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
        ],
        layerPrefix: "transformer.h",
        configuration: { metadata in
            var configuration = GPT2Configuration()
            configuration.vocabularySize = try metadata.vocabularySize()
            configuration.hiddenSize = try metadata.integer("embedding_length")
            configuration.intermediateSize = try metadata.integer("feed_forward_length")
            configuration.layers = try metadata.integer("block_count")
            configuration.heads = try metadata.integer("attention.head_count")
            configuration.maximumPositions = try metadata.integer("context_length")
            configuration.normEpsilon = Float(try metadata.number("attention.layer_norm_epsilon"))
            configuration.isTied = metadata.isTied
            configuration.beginTokenID = try metadata.beginToken()
            configuration.endTokenIDs = try metadata.endTokens()
            return configuration
        },
        // The checkpoint's matrices are `[inputs, outputs]`.
        translate: { tensor, key, _ in
            tensor.rank == 2 && key.contains(".c_") ? tensor.transposed(0, 1) : tensor
        })

    static let gptNeoX = GGUFGrammar(
        architectures: ["gptneox"],
        names: ["token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm", "output": "embed_out"],
        layerNames: [
            "attn_norm": "input_layernorm", "attn_qkv": "attention.query_key_value", "attn_output": "attention.dense",
            "ffn_norm": "post_attention_layernorm", "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h",
        ],
        layerPrefix: "gpt_neox.layers",
        configuration: { metadata in
            var configuration = GPTNeoXConfiguration()
            configuration.vocabularySize = try metadata.vocabularySize()
            configuration.hiddenSize = try metadata.integer("embedding_length")
            configuration.intermediateSize = try metadata.integer("feed_forward_length")
            configuration.layers = try metadata.integer("block_count")
            configuration.heads = try metadata.integer("attention.head_count")
            configuration.maximumPositions = try metadata.integer("context_length")
            configuration.normEpsilon = Float(try metadata.number("attention.layer_norm_epsilon"))
            configuration.isParallel = try metadata.boolean("use_parallel_residual", or: true)
            configuration.hasAttentionBias = metadata.header["blk.0.attn_qkv.bias"] != nil
            let dimension = configuration.hiddenSize / max(configuration.heads, 1)
            let turning = try metadata.integer("rope.dimension_count", or: dimension)
            configuration.rotary = try metadata.rotary(theta: 10_000)
            configuration.rotary.partialFactor = Double(turning) / Double(max(dimension, 1))
            configuration.isTied = metadata.isTied
            configuration.beginTokenID = try metadata.beginToken()
            configuration.endTokenIDs = try metadata.endTokens()
            return configuration
        },
        // The file has all queries, then all keys, then all values; the checkpoint has the three of each head together.
        translate: { tensor, key, configuration in
            guard key.contains(".query_key_value."), let neox = configuration as? GPTNeoXConfiguration else {
                return tensor
            }
            let (heads, dimension) = (neox.heads, neox.hiddenSize / neox.heads)
            return tensor.inOrder(
                (0..<heads).flatMap { head in
                    (0..<3).flatMap { part in (0..<dimension).map { (part * heads + head) * dimension + $0 } }
                })
        })
}
