import Foundation
import Layers
import TensorCore
import TestSupport
import TextModels
import Testing
import Weights

/// What the numbers of a model's files are stored as.
@Suite struct StoredTypeTests {
    private static let tokenizer = #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}}"#
    private static let ids = TokenBatch([[5, 9, 20, 31, 8, 4, 77, 12]])

    /// Writes a model's folder with other tensors, and loads it.
    private func load(
        _ name: String, _ tensors: [String: Tensor], tokenizerConfig: String? = nil, generation: String? = nil
    ) throws -> TextModel {
        var loaded: TextModel?
        try inTemporaryFolder { folder in
            try Fixtures.data("tiny-lm/\(name)/config.json").write(to: folder.appending(path: "config.json"))
            try Data(Self.tokenizer.utf8).write(to: folder.appending(path: "tokenizer.json"))
            if let tokenizerConfig {
                try Data(tokenizerConfig.utf8).write(to: folder.appending(path: "tokenizer_config.json"))
            }
            if let generation {
                try Data(generation.utf8).write(to: folder.appending(path: "generation_config.json"))
            }
            try writeSafetensors(tensors, to: folder.appending(path: "model.safetensors").path)
            loaded = try TextModel(path: folder.path)
        }
        return try #require(loaded)
    }

    /// Weights of bfloat16 give what the same numbers give in 32 bits: activations are not rounded.
    @Test(arguments: ["gpt2", "llama", "gemma2", "gemma3", "gpt-neox", "mamba"])
    func bfloat16InAFolder(_ name: String) throws {
        let rounded = try Fixtures.tensors("tiny-lm/\(name)/model.safetensors")
            .mapValues { $0.converted(to: .bfloat16) }
        let stored = try load(name, rounded).model(Self.ids).logits
        let widened = try load(name, rounded.mapValues { $0.converted(to: .float32) }).model(Self.ids).logits
        #expect(maximumDifference(stored, widened) <= 1e-5)
    }

    @Test(arguments: ["llama", "gemma2", "mamba"]) func bfloat16InGGUF(_ name: String) throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "model.gguf").path
            try rewritten("gguf/\(name).gguf", as: 30) { $0.converted(to: .bfloat16) }
                .write(to: URL(filePath: path))
            let file = try GGUFFile(path: path)
            let (plain, asked) = (try GGUFModel(file), try GGUFModel(file, floatingPoint: .bfloat16))
            var widened: [String: Tensor] = [:]
            for key in plain.source.keys {
                let tensor = try #require(plain.source.tensor(key, shape: nil, initial: nil))
                #expect(tensor.dtype == .float32, "\(key)")
                widened[key] = Tensor(tensor.floats, shape: tensor.shape)
                #expect(asked.source.tensor(key, shape: nil, initial: nil)?.dtype == .bfloat16)
            }
            let expected = try plain.configuration.model(ScopedWeights(DictionarySource(widened)))(Self.ids).logits
            #expect(maximumDifference(try plain.model().model(Self.ids).logits, expected) <= 1e-5)
        }
    }

    @Test(arguments: ["llama", "gemma2", "mamba"]) func integersInGGUF(_ name: String) throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "model.gguf").path
            try rewritten("gguf/\(name).gguf", as: 26) { $0 }.write(to: URL(filePath: path))
            let gguf = try GGUFModel(GGUFFile(path: path))
            #expect {
                _ = try gguf.model()
            } throws: {
                let words = "weight: expected a floating-point type, found int32 in \(path)"
                return $0 is WeightsError && "\($0)".contains(words)
            }
        }
    }

    @Test(arguments: [DType.int64, .bool, .uint8]) func integersInAFolder(_ dtype: DType) throws {
        var tensors = try Fixtures.tensors("tiny-lm/llama/model.safetensors")
        let key = "model.layers.0.mlp.up_proj.weight"
        let shape = try Fixtures.require(tensors, key).shape
        tensors[key] = Tensor.filled(shape: shape, dtype: dtype) { bytes in
            for place in bytes.indices { bytes[place] = 0 }
        }
        // An integer that no layer asks for is no flaw.
        tensors["model.position_ids"] = Tensor([0, 1, 2] as [Int64])
        #expect {
            _ = try load("llama", tensors)
        } throws: {
            $0 is WeightsError && "\($0)".hasPrefix("\(key): expected a floating-point type, found \(dtype) in ")
        }
    }

    /// `generation_config.json` has the last word on what ends a text.
    @Test func endTokens() throws {
        let tensors = try Fixtures.tensors("tiny-lm/llama/model.safetensors")
        let own = try load("llama", tensors)
        #expect(own.endTokenIDs == own.configuration.endTokenIDs)
        for (json, ids) in [
            (#"{"eos_token_id": [7, 9]}"#, [7, 9]), (#"{"eos_token_id": 3}"#, [3]),
            (#"{"eos_token_id": null}"#, own.endTokenIDs), ("{}", own.endTokenIDs),
        ] {
            #expect(try load("llama", tensors, generation: json).endTokenIDs == ids)
        }
        #expect {
            _ = try load("llama", tensors, generation: #"{"eos_token_id": "x"}"#)
        } throws: {
            "\($0)".contains("generation_config.json: eos_token_id: expected")
        }
    }

    /// A list of templates by name: `default` is the one for conversations.
    @Test func namedTemplates() throws {
        let tensors = try Fixtures.tensors("tiny-lm/llama/model.safetensors")
        for (entry, template) in [
            (#""one""#, "one"),
            (#"[{"name": "tool_use", "template": "x"}, {"name": "default", "template": "two"}]"#, "two"),
            (#"[{"name": "rag", "template": "x"}]"#, nil), ("null", nil),
        ] {
            let text = try load("llama", tensors, tokenizerConfig: #"{"chat_template": \#(entry)}"#)
            #expect(text.chatTemplate == template)
        }
    }

    /// A GGUF file whose tensors of 32 bits are of another type, at the old places.
    private func rewritten(_ name: String, as type: UInt32, _ convert: (Tensor) -> Tensor) throws -> Data {
        let file = try GGUFFile(path: Fixtures.path(name))
        var data = try Fixtures.data(name)
        for entry in file.header.entries where entry.dtype == .float32 {
            let tensor = convert(try #require(file.tensor(entry.name)))
            // A tensor's entry: the length of its name, the name, the rank, the sizes, the type.
            let length = withUnsafeBytes(of: UInt64(entry.name.utf8.count).littleEndian) { Data($0) }
            let spelled = length + Data(entry.name.utf8)
            let place = try #require(data.range(of: spelled)).upperBound + 4 + 8 * entry.shape.count
            data.replaceSubrange(place..<place + 4, with: withUnsafeBytes(of: type.littleEndian) { Array($0) })
            let bytes = tensor.withUnsafeBytes { Data($0) }
            let start = file.header.dataOffset + entry.byteRange.lowerBound
            data.replaceSubrange(start..<start + bytes.count, with: bytes)
        }
        return data
    }
}
