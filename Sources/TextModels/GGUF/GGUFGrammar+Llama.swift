internal import TensorCore
internal import Weights

extension GGUFGrammar {
    static let llama = GGUFGrammar(
        architectures: ["llama"],
        names: ["token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"],
        layerNames: [
            "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
            "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
            "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
        ],
        layerPrefix: "model.layers",
        ignored: ["rope_freqs.weight"],
        configuration: { metadata in
            var configuration = LlamaConfiguration()
            configuration.vocabularySize = try metadata.vocabularySize()
            configuration.hiddenSize = try metadata.integer("embedding_length")
            configuration.intermediateSize = try metadata.integer("feed_forward_length")
            configuration.layers = try metadata.integer("block_count")
            configuration.heads = try metadata.integer("attention.head_count")
            configuration.keyHeads = try metadata.integer("attention.head_count_kv", or: configuration.heads)
            configuration.headDimension = try metadata.integer(
                "attention.key_length",
                or: metadata.optionalInteger("rope.dimension_count")
                    ?? configuration.hiddenSize / max(configuration.heads, 1))
            configuration.maximumPositions = try metadata.integer("context_length")
            configuration.normEpsilon = Float(try metadata.number("attention.layer_norm_rms_epsilon"))
            configuration.rotary = try metadata.rotary(theta: 10_000)
            configuration.hasAttentionBias = metadata.header["blk.0.attn_q.bias"] != nil
            configuration.hasFeedForwardBias = metadata.header["blk.0.ffn_up.bias"] != nil
            configuration.isTied = metadata.isTied
            configuration.beginTokenID = try metadata.beginToken()
            configuration.endTokenIDs = try metadata.endTokens()
            if let divisors = try metadata.frequencyDivisors() { configuration.rotary.frequencyDivisors = divisors }
            return configuration
        },
        translate: { tensor, key, configuration in
            guard let llama = configuration as? LlamaConfiguration else { return tensor }
            let heads = key.contains(".q_proj.") ? llama.heads : key.contains(".k_proj.") ? llama.keyHeads : 0
            return heads > 0 ? tensor.inOrder(halves(heads: heads, dimension: llama.headDimension)) : tensor
        })

    /// The file has the two channels of a turning pair side by side, the checkpoint has them half a head apart.
    private static func halves(heads: Int, dimension: Int) -> [Int] {
        (0..<heads).flatMap { head in
            (0..<2).flatMap { part in (0..<dimension / 2).map { head * dimension + 2 * $0 + part } }
        }
    }
}
