import Foundation
@testable import Generation
import Layers
import TensorCore
import TestSupport
import Testing
import Tokenizers
import Weights

/// Words that files add to a text encoder.
@Suite struct TextualInversionTests {
    private let width = 32

    private func inFolder(_ files: [String: [String: Tensor]], _ body: (String) throws -> Void) throws {
        try inTemporaryFolder { folder in
            for (name, tensors) in files { try writeSafetensors(tensors, to: folder.appending(path: name).path) }
            try body(folder.path)
        }
    }

    private func model(_ name: String, _ folder: String, _ prompt: String) throws -> StableDiffusion {
        try StableDiffusion(
            ModelFolder(path: Fixtures.path(name)), additions: .embeddings(in: folder, for: [prompt]))
    }

    /// The rows that a word of the vocabulary has, as a file of its own.
    private func rows(_ word: String, of model: StableDiffusion, encoder: Int = 0) throws -> Tensor {
        let part = encoder == 0 ? "text_encoder" : "text_encoder_2"
        let stored =
            try model.text.encoders.count == 1
            ? Fixtures.tensors("tiny-sd/text_encoder/model.safetensors")
            : Fixtures.tensors("tiny-sdxl/\(part)/model.safetensors")
        let table = try #require(stored.first { $0.key.hasSuffix("token_embedding.weight") }?.value)
        let ids = model.text.encoders[encoder].tokenizer.encode(word)
        return embedding(Tensor(ids.map(Int64.init)), table)
    }

    /// A file that holds a word's own vectors must change nothing, whatever surrounds it.
    @Test(arguments: ["emb_params", "<old-man>", "*"])
    func `vectors of the vocabulary give the same bits as its words`(_ key: String) throws {
        let plain = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let vectors = try rows("an old man with white hair", of: plain)
        try #require(vectors.size(0) > 1)
        try inFolder(["Zq-x.safetensors": [key: vectors]]) { folder in
            for frame in ["a portrait of %, smiling", "(%:1.3), sky", "%", "sky BREAK %"] {
                let prompt = frame.replacingOccurrences(of: "%", with: "zq-X")
                let found = try model("tiny-sd", folder, prompt).text(prompt).context
                let expected = plain.text(frame.replacingOccurrences(of: "%", with: "an old man with white hair"))
                    .context
                #expect(isBitEqual(found, expected), "\(prompt)")
            }
        }
    }

    @Test func `two encoders take their own vectors`() throws {
        let plain = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sdxl")))
        let tensors = try ["clip_l": rows("red hair", of: plain), "clip_g": rows("red hair", of: plain, encoder: 1)]
        try inFolder(["word.safetensors": tensors]) { folder in
            let found = try model("tiny-sdxl", folder, "word").text("a word")
            let expected = plain.text("a red hair")
            #expect(isBitEqual(found.context, expected.context))
            #expect(found.pooled.map { isBitEqual($0, expected.pooled ?? $0) } == true)
        }
    }

    @Test func `only the words of the prompt are read, and stand alone`() throws {
        let file = ["emb_params": Tensor.zeros([1, width])]
        try inFolder(["cat.safetensors": file, "cat-toy.safetensors": file, "dog.safetensors": file]) { folder in
            func words(_ prompt: String) throws -> [String] {
                try TextualInversion.files(in: folder, for: [prompt]).map(TextualInversion.word)
            }
            let found = try ["a cat-toy, concat", "(DOG:1.2) [cat]", "dogs"].map { try words($0) }
            #expect(found == [["cat-toy"], ["cat", "dog"], []])
        }
    }

    @Test func `a torch file of A1111 is read`() throws {
        let path = Fixtures.path("torch-checkpoints")
        let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        let embeddings = names.filter { $0.contains("embedding") || $0.contains("inversion") }
        for name in embeddings { _ = try TextualInversion(path: "\(path)/\(name)") }
        #expect(!embeddings.isEmpty, "\(names)")
    }

    @Test func `another width is one clear sentence`() throws {
        try inFolder(["wide.safetensors": ["emb_params": Tensor.zeros([2, 768])]]) { folder in
            let error = #expect(throws: GenerationError.self) { try model("tiny-sd", folder, "wide") }
            let text = error?.description ?? ""
            #expect(text.contains("wide.safetensors") && text.contains("768") && text.contains("width"))
        }
    }

    @Test(arguments: [Float.nan, .infinity]) func `vectors that are no numbers are refused`(_ value: Float) throws {
        let vectors = concatenated([Tensor.zeros([1, width - 1]), Tensor([value], shape: [1, 1])], axis: 1)
        try inFolder(["broken.safetensors": ["emb_params": vectors]]) { folder in
            let error = #expect(throws: GenerationError.self) { try model("tiny-sd", folder, "broken") }
            #expect(error?.description.contains("broken.safetensors") == true, "\(error?.description ?? "")")
        }
    }

    @Test func `a file of many tensors is refused`() throws {
        try inFolder(["x.safetensors": ["a": Tensor.zeros([1, 4]), "b": Tensor.zeros([1, 4])]]) { folder in
            #expect(throws: GenerationError.self) { try model("tiny-sd", folder, "x") }
        }
    }
}
