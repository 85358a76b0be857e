import Foundation
import Layers
import TensorCore
import TestSupport
import TextModels
import Testing
import Weights

@Suite struct LanguageModelPropertyTests {
    struct Family: Sendable, CustomStringConvertible {
        var name: String
        var json: String
        var parameters: Int
        var description: String { name }
    }

    /// Parameters of published models.
    static let families = [
        Family(name: "GPT-2", json: #"{"model_type": "gpt2"}"#, parameters: 124_439_808),
        Family(
            name: "Pythia-160m",
            json: """
                {"model_type": "gpt_neox", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                 "num_attention_heads": 12, "vocab_size": 50304, "rotary_pct": 0.25, "rotary_emb_base": 10000}
                """, parameters: 162_322_944),
        Family(
            name: "SmolLM2-135M",
            json: """
                {"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
                 "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "rope_theta": 100000,
                 "tie_word_embeddings": true, "rms_norm_eps": 1e-05, "rope_scaling": null}
                """, parameters: 134_515_008),
        Family(
            name: "Gemma-2-2b", json: #"{"model_type": "gemma2"}"#, parameters: 2_614_341_888),
        Family(
            name: "Gemma-3-1b",
            json: """
                {"model_type": "gemma3_text", "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26,
                 "num_attention_heads": 4, "num_key_value_heads": 1, "vocab_size": 262144, "sliding_window": 512}
                """, parameters: 999_885_952),
        Family(
            name: "Mamba-130m",
            json: #"{"model_type": "mamba", "hidden_size": 768, "num_hidden_layers": 24, "vocab_size": 50280}"#,
            parameters: 129_135_360),
    ]

    @Test(arguments: families) func publishedModels(_ family: Family) throws {
        let configuration = try LanguageModels.configuration(Data(family.json.utf8), path: "config.json")
        let source = CountingSource()
        _ = try configuration.model(ScopedWeights(source))
        #expect(source.parameterCount == family.parameters)
        let again = try LanguageModels.configuration(configuration.json(), path: "config.json")
        #expect(try again.json() == configuration.json())
    }

    @Test(
        arguments: [
            (#"{"model_type": "bert"}"#, #"config.json: model_type: expected one of gpt2, "#),
            (#"{}"#, "found none"),
            (#"{"model_type": "llama", "rope_scaling": {"rope_type": "su", "factor": 2}}"#, "rope_type"),
            (#"{"model_type": "llama", "rope_scaling": {"rope_type": "linear"}}"#, "factor"),
            (#"{"model_type": "llama", "num_key_value_heads": 5}"#, "num_key_value_heads"),
            (#"{"model_type": "llama", "hidden_size": -4}"#, "hidden_size"),
            (#"{"model_type": "gemma2", "layer_types": ["full_attention"]}"#, "layer_types"),
            (#"{"model_type": "mamba", "state_size": 4096}"#, "state_size"),
            (#"{"model_type": "gpt2", "n_head": 7}"#, "n_head"),
            (#"{"model_type": "gpt2", "n_embd": 4611686018427387904}"#, "n_embd"),
            (#"{"model_type": "mamba", "hidden_size": 9223372036854775807}"#, "hidden_size"),
            (#"{"model_type": "llama", "head_dim": 9223372036854775807}"#, "head_dim"),
            (#"{"model_type": "gpt_neox", "hidden_act": "x"}"#, "hidden_act"),
            (#"{"model_type": "llama", "rms_norm_eps": -1}"#, "rms_norm_eps: expected 0 or"),
            (#"{"model_type": "gpt_neox", "layer_norm_eps": -1e-5}"#, "layer_norm_eps"),
            (#"{"model_type": "gpt2", "eos_token_id": [3, -2]}"#, "eos_token_id: expected a token, 0 or more"),
            (#"{"model_type": "mamba", "bos_token_id": -1}"#, "bos_token_id"),
            (
                #"{"model_type": "llama", "partial_rotary_factor": 0.5, "rope_scaling": {"type": "yarn", "factor": 2}}"#,
                "partial_rotary_factor: expected 1"
            ),
            (#"{"model_type": 7}"#, "model_type: expected String"),
            ("{\"model_type\": \"llama\",\n \"vocab_size\": x}", "JSON, found something else at line 2, column 16"),
            (#"{"model_type": "llama""#, "config.json: expected JSON, found text that ends too early"),
            ("", "config.json: expected JSON, found an empty file"),
        ])
    func refusals(_ json: String, _ words: String) {
        #expect {
            _ = try LanguageModels.configuration(Data(json.utf8), path: "config.json")
        } throws: {
            "\($0)".contains(words)
        }
    }

    /// transformers reads these two keys and passes over them.
    @Test func keysWithoutEffect() throws {
        func model(_ name: String, _ change: (inout [String: JSONValue]) -> Void) throws -> any LanguageModel {
            let path = "tiny-lm/\(name)/config.json"
            var json = try JSONDecoder().decode([String: JSONValue].self, from: Fixtures.data(path))
            change(&json)
            let configuration = try LanguageModels.configuration(JSONEncoder().encode(json), path: path)
            let source = DictionarySource(try Fixtures.tensors("tiny-lm/\(name)/model.safetensors"))
            return try configuration.model(ScopedWeights(source))
        }
        let tokens = TokenBatch([[5, 9, 20, 31, 8, 4, 77]])
        for (name, key, value) in [
            ("llama", "partial_rotary_factor", 0.5), ("gemma3", "attn_logit_softcapping", 0.01),
        ] as [(String, String, JSONValue)] {
            let (plain, changed) = (try model(name) { _ in }, try model(name) { $0[key] = value })
            #expect(isBitEqual(plain(tokens).logits, changed(tokens).logits), "\(name)")
        }
        let loose = try model("gemma2") { _ in }
        let tight = try model("gemma2") { $0["attn_logit_softcapping"] = 0.01 }
        #expect(!isBitEqual(loose(tokens).logits, tight(tokens).logits))
    }

    /// A row's bits do not depend on its neighbours, and the state of a call can be gone on from twice.
    @Test(arguments: LanguageModelGoldenTests.models) func batchesAndBranches(_ name: String) throws {
        let model = try LanguageModelGoldenTests.load(name, isFrozen: true).model
        let rows = [[5, 9, 20, 31, 8, 4, 77], [6, 7, 8, 9, 10, 11, 12]]
        let both = model(TokenBatch(rows), after: DecodingState(), logits: .all, Pass())
        for (index, row) in rows.enumerated() {
            let alone = model(TokenBatch([row]), after: DecodingState(), logits: .all, Pass())
            #expect(isBitEqual(both.logits.narrowed(0, start: index, count: 1).contiguous(), alone.logits))
            let next = model(TokenBatch([[40]]), after: alone.state, logits: .last, Pass())
            _ = model(TokenBatch([[41]]), after: alone.state, logits: .last, Pass())
            let again = model(TokenBatch([[40]]), after: alone.state, logits: .last, Pass())
            #expect(isBitEqual(next.logits, again.logits))
            let whole = model(TokenBatch([row + [40]]), Pass()).logits.narrowed(1, start: row.count, count: 1)
            #expect(maximumDifference(whole, next.logits) <= 1e-4)
        }
    }

    /// Looking changes nothing, bit for bit.
    @Test(arguments: LanguageModelGoldenTests.models) func identityIntervention(_ name: String) throws {
        let loaded = try LanguageModelGoldenTests.load(name)
        let tokens = TokenBatch([[5, 9, 20, 31, 8, 4, 77]])
        var plan = SitePlan()
        for number in loaded.sites.paths.indices {
            for port in [Port.input, .output, .queries, .keys, .values, .heads, .scan, .gate, .timeStep, .branch] {
                plan.add(.replace { $0 }, at: number, port)
            }
        }
        let plain = loaded.model(tokens).logits
        #expect(isBitEqual(plain, loaded.model(tokens, Pass(plan: plan)).logits))
    }
}
