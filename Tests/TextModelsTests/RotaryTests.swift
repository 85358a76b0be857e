import Foundation
import Layers
import TensorCore
import TestSupport
@testable import TextModels
import Testing
import Weights

/// Rotary scalings beside transformers' own rules.
@Suite struct RotaryTests {
    struct File: Decodable {
        struct Case: Decodable {
            var config: LlamaConfiguration
            var lengths: [Int]
            var frequencies: [[Float]]
            var factor: Float

            private enum CodingKeys: String, CodingKey {
                case config, lengths, frequencies
                case factor = "attention_factor"
            }
        }
        var cases: [Case]
    }

    @Test func frequencies() throws {
        let file = try JSONDecoder().decode(File.self, from: Fixtures.data("rotary.json"))
        #expect(file.cases.count == 10)
        for (index, item) in file.cases.enumerated() {
            try item.config.validate()
            let rotary = item.config.rotary.frequencies(
                headDimension: item.config.headDimension, maximumTokens: item.config.maximumPositions)
            #expect(abs(rotary.attentionFactor - item.factor) < 1e-6, "case \(index)")
            for (length, wanted) in zip(item.lengths, item.frequencies) {
                let found = rotary.frequencies(length: length)
                #expect(found.count == wanted.count)
                let worst = zip(found, wanted).map { abs($0 / $1 - 1) }.max() ?? 1
                #expect(worst < 2e-6, "case \(index), \(length) tokens: \(worst)")
            }
        }
    }

    /// A text that grows beyond the length of training while it is decoded, and the same text in one call.
    @Test func longRope() throws {
        let facts = try Fixtures.metadata("longrope.safetensors")
        let golden = try Fixtures.tensors("longrope.safetensors")
        let configuration = try LanguageModels.configuration(
            Data(try #require(facts["config"]).utf8), path: "longrope.safetensors")
        let length = try #require(Int(facts["length"] ?? ""))
        let source = DictionarySource(try Fixtures.tensors("tiny-lm/llama-yarn/model.safetensors"))
        let (model, _) = try ScopedWeights.load(source, root: "") { try configuration.model($0) }
        let ids = try Fixtures.require(golden, "ids")
        func difference(_ logits: Tensor, _ name: String) throws -> Float {
            maximumDifference(logits, try Fixtures.require(golden, name))
        }
        #expect(try difference(model(TokenBatch(ids)).logits, "long/logits") <= 1e-4)
        let first = TokenBatch(ids.narrowed(1, start: 0, count: length))
        var output = model(first, after: DecodingState(), logits: .all, Pass())
        #expect(try difference(output.logits, "short/logits") <= 1e-4)
        var steps: [Tensor] = []
        for place in length..<ids.size(1) {
            let next = TokenBatch(ids.narrowed(1, start: place, count: 1))
            output = model(next, after: output.state, logits: .last, Pass())
            steps.append(output.logits)
        }
        #expect(try difference(concatenated(steps, axis: 1), "decode/logits") <= 1e-4)
    }

    /// A model reads as far as its scaling stretches it.
    @Test(
        arguments: [
            (#"{"rope_type": "default"}"#, 64), (#"{"rope_type": "dynamic", "factor": 4}"#, 256),
            (#"{"rope_type": "linear", "factor": 2.5}"#, 160), (#"{"rope_type": "yarn", "factor": 4}"#, 256),
            (#"{"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 16}"#, 64),
            (#"{"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 32}"#, 128),
            (#"{"rope_type": "dynamic", "factor": 2, "original_max_position_embeddings": 16}"#, 128),
            (#"{"rope_type": "linear", "factor": 1e300}"#, 1 << 24),
            (
                #"""
                {"rope_type": "longrope", "factor": 16, "original_max_position_embeddings": 8,
                 "short_factor": [1, 1, 1, 1], "long_factor": [2, 2, 2, 2]}
                """#, 128
            ),
            (
                #"""
                {"rope_type": "longrope", "original_max_position_embeddings": 8, "short_factor": [1, 1, 1, 1],
                 "long_factor": [2, 2, 2, 2]}
                """#, 64
            ),
        ])
    func limits(_ parameters: String, _ most: Int) throws {
        for type in ["llama", "gpt_neox", "gemma3_text"] {
            let json = """
                {"model_type": "\(type)", "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2,
                 "head_dim": 8, "num_hidden_layers": 1, "intermediate_size": 8, "vocab_size": 9, "rotary_pct": 1,
                 "max_position_embeddings": 64, "rope_scaling": \(parameters)}
                """
            let configuration = try LanguageModels.configuration(Data(json.utf8), path: "config.json")
            let model = try configuration.model(ScopedWeights(CountingSource()))
            // Gemma's configurations state the stretched length beside a linear factor.
            let isStated = type == "gemma3_text" && parameters.contains("linear")
            #expect(model.maximumTokens == (isStated ? 64 : most), "\(type)")
        }
    }

    /// Text goes on beyond the length of training.
    @Test func generationBeyondTraining() throws {
        let model = try LanguageModelGoldenTests.load("llama-dynamic", isFrozen: true).model
        #expect(model.maximumTokens == 16)
        #expect(Array(TokenStream(model, prompt: [5, 9, 20], limit: 100)).count == 13)
    }

    /// Each row of a batch has the angles that it has alone, bit for bit.
    @Test func rowsHaveAnglesOfTheirOwn() throws {
        for kind in [RotaryParameters.Kind.dynamic, .longrope] {
            var parameters = RotaryParameters()
            (parameters.kind, parameters.factor, parameters.originalMaximumTokens) = (kind, 4, 8)
            (parameters.shortFactors, parameters.longFactors) = ([1, 1.1, 1.3, 1.7], [1.5, 2, 4, 7])
            let rotary = parameters.frequencies(headDimension: 8, maximumTokens: 8)
            let rows = [Array(0..<12), Array(repeating: 0, count: 7) + Array(0..<5)]
            let both = rotary.rotation(rows)
            for (index, row) in rows.enumerated() {
                let alone = rotary.rotation([row])
                #expect(isBitEqual(both.cosines.narrowed(0, start: index, count: 1), alone.cosines))
                #expect(isBitEqual(both.sines.narrowed(0, start: index, count: 1), alone.sines))
            }
        }
    }

    @Test(
        arguments: [
            (#"{"rope_type": "longrope", "short_factor": [1, 1, 1, 1]}"#, "long_factor"),
            (#"{"rope_type": "longrope", "short_factor": [1, 1, 1], "long_factor": [1, 1, 1, 1]}"#, "short_factor"),
            (#"{"rope_type": "longrope", "short_factor": [1, 1, 1, 0], "long_factor": [1, 1, 1, 1]}"#, "short_factor"),
            (#"{"rope_type": "yarn", "factor": 0.5}"#, "factor"),
            (#"{"rope_type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2}"#, "beta_fast"),
            (#"{"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 0}"#, "original_max"),
            (#"{"rope_type": "yarn", "factor": 2, "attention_factor": -1}"#, "attention_factor"),
            (#"{"rope_type": "su"}"#, "longrope"),
        ])
    func refusals(_ parameters: String, _ words: String) {
        let json = """
            {"model_type": "llama", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
             "intermediate_size": 8, "vocab_size": 9, "rope_parameters": \(parameters)}
            """
        #expect {
            try LanguageModels.configuration(Data(json.utf8), path: "config.json").validate()
        } throws: {
            "\($0)".contains(words)
        }
    }
}
