import Foundation
@testable import Generation
import Imaging
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// One model in both layouts: the same tensors to the bit, the same picture.
@Suite struct ModelConversionTests {
    private func temporaryFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "atelier-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    private func tensors(_ store: any ModelStore, _ part: String) throws -> [String: Tensor] {
        let source = try store.weights(of: part, floatingPoint: nil)
        return Dictionary(
            uniqueKeysWithValues: try source.keys.filter { !$0.hasSuffix("position_ids") }
                .map { ($0, try #require(try source.tensor($0, shape: nil, initial: nil))) })
    }

    private func expectEqual(_ a: any ModelStore, _ b: any ModelStore) throws {
        for part in ["unet", "vae", "text_encoder"] {
            let (first, second) = (try tensors(a, part), try tensors(b, part))
            #expect(Set(first.keys) == Set(second.keys), "\(part)")
            for (key, tensor) in first { #expect(second[key].map { isBitEqual($0, tensor) } == true, "\(part).\(key)") }
        }
    }

    private func latents(_ store: any ModelStore) throws -> Tensor {
        let model = try StableDiffusion(store)
        let request = GenerationRequest(
            prompt: "a cat", negativePrompt: "dog", steps: 2, guidanceScale: 5, seed: 3, width: 32, height: 32,
            sampler: "euler")
        var denoising = try Denoising(request, model: model)
        while !denoising.isComplete { denoising.advance() }
        return denoising.latents
    }

    @Test func `folder to file to folder changes no bit`() throws {
        let work = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: work) }
        let original = try ModelFolder(path: Fixtures.path("tiny-sd"))
        let file = work.appending(path: "model.safetensors").path
        try ModelConversion.writeSingleFile(original, to: file, floatingPoint: nil)
        let single = try SingleFileModel(path: file, vocabulary: original.url("tokenizer"))
        #expect(single.family == .stableDiffusion1 && single.strayKeys.isEmpty)
        try expectEqual(original, single)
        #expect(isBitEqual(try latents(original), try latents(single)))

        let again = work.appending(path: "folder")
        try ModelConversion.writeFolder(single, to: again, floatingPoint: nil)
        let folder = try ModelFolder(path: again.path)
        try expectEqual(original, folder)
        #expect(isBitEqual(try latents(original), try latents(folder)))
    }

    @Test func `a conversion can round the weights`() throws {
        let work = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: work) }
        let original = try ModelFolder(path: Fixtures.path("tiny-sd"))
        let output = work.appending(path: "half")
        try ModelConversion.writeFolder(original, to: output, floatingPoint: .bfloat16)
        let rounded = try tensors(ModelFolder(path: output.path), "unet")
        #expect(rounded.values.allSatisfy { $0.dtype == .bfloat16 })
        let inspection = try ModelInspection(ModelFolder(path: output.path))
        #expect(inspection.parts.map(\.name) == ["text_encoder", "unet", "vae"])
        #expect(inspection.parts[1].types.keys.sorted() == ["bfloat16"])
        #expect(inspection.hash.count == 64)
    }

    @Test func `an inspection says what a file is`() throws {
        let path = Fixtures.path("tiny-vae/diffusion_pytorch_model.safetensors")
        let inspection = try ModelInspection(file: path, as: nil)
        #expect(inspection.kind.contains("one part of a model") && inspection.parts.count == 1)
        let language = try ModelInspection(gguf: Fixtures.path("gguf/llama.gguf"))
        #expect(language.kind == "a language model, llama" && language.parts[0].tensors > 5)
    }
}
