import Foundation
@testable import Generation
import Imaging
import Layers
import Samplers
import TensorCore
import TestSupport
import Testing
import Tokenizers
import Weights

/// One model in both layouts: the same tensors to the bit, the same picture.
@Suite struct ModelConversionTests {
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
        try inTemporaryFolder { work in
            let original = try ModelFolder(path: Fixtures.path("tiny-sd"))
            let file = work.appending(path: "model.safetensors").path
            try ModelConversion.writeSingleFile(
                original, to: file, floatingPoint: nil, vocabulary: try original.tokenizer("tokenizer"))
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
    }

    @Test func `a conversion can round the weights`() throws {
        try inTemporaryFolder { work in
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
    }

    /// Every file below a folder with its bytes.
    private func contents(_ folder: URL) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
            files[name] = try? Data(contentsOf: folder.appending(path: name))
        }
        return files
    }

    @Test func `a folder of others is refused as it is`() throws {
        try inTemporaryFolder { work in
            let original = try ModelFolder(path: Fixtures.path("tiny-sd"))
            func expectRefused(_ folder: URL, _ found: String) throws {
                let before = try contents(work)
                let error = #expect(throws: GenerationError.self) {
                    try ModelConversion.writeFolder(original, to: folder, floatingPoint: .bfloat16)
                }
                #expect(error?.description.contains("expected a new or empty folder") == true)
                #expect(error?.description.contains(found) == true, "\(error?.description ?? "")")
                #expect(error?.description.contains("nothing was written") == true)
                #expect(try contents(work) == before)
            }
            let mine = work.appending(path: "mine")
            try FileManager.default.createDirectory(
                at: mine.appending(path: "unet"), withIntermediateDirectories: true)
            try Data("kept".utf8).write(to: mine.appending(path: "unet/diary.txt"))
            try expectRefused(mine, "1 entry of others")
            try Data("kept".utf8).write(to: work.appending(path: "file"))
            try expectRefused(work.appending(path: "file"), "a file of that name")
            // A model that somebody else wrote is somebody else's.
            let other = work.appending(path: "other")
            try FileManager.default.copyItem(atPath: Fixtures.path("tiny-sd"), toPath: other.path)
            try expectRefused(other, "entries of others")
            let link = work.appending(path: "link")
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: mine)
            try expectRefused(link, "1 entry of others")
        }
    }

    @Test func `a run that is repeated replaces its own files and no others`() throws {
        try inTemporaryFolder { work in
            let original = try ModelFolder(path: Fixtures.path("tiny-sd"))
            let output = work.appending(path: "model")
            // An empty folder is as good as none.
            try FileManager.default.createDirectory(at: output, withIntermediateDirectories: false)
            try ModelConversion.writeFolder(original, to: output, floatingPoint: nil)
            let first = try contents(output)
            try Data("mine".utf8).write(to: output.appending(path: "unet/notes.txt"))
            try Data("mine".utf8).write(to: output.appending(path: "notes.txt"))
            try ModelConversion.writeFolder(original, to: output, floatingPoint: .bfloat16)
            #expect(try tensors(ModelFolder(path: output.path), "unet").values.allSatisfy { $0.dtype == .bfloat16 })
            try ModelConversion.writeFolder(original, to: output, floatingPoint: nil)
            var second = try contents(output)
            for name in ["notes.txt", "unet/notes.txt"] {
                #expect(second.removeValue(forKey: name) == Data("mine".utf8))
            }
            #expect(second == first)
            #expect(try FileManager.default.contentsOfDirectory(atPath: work.path) == ["model"])

            // What somebody put in the place of a part's folder, or under a name that was not written, stays.
            let list = output.appending(path: OutputFolder.manifestName)
            let names = String(decoding: try Data(contentsOf: list), as: UTF8.self)
            try Data(names.replacing("\"unet/config.json\",", with: "").utf8).write(to: list)
            func expectRefused(_ found: String) throws {
                let before = try contents(output)
                let error = #expect(throws: GenerationError.self) {
                    try ModelConversion.writeFolder(original, to: output, floatingPoint: .bfloat16)
                }
                #expect(error?.description.contains(found) == true, "\(error?.description ?? "")")
                #expect(try contents(output) == before)
            }
            try expectRefused("'unet/config.json' of another origin")
            // A former model's part that the new one has not is neither removed nor mixed with the new one's.
            try Data(names.replacing("\"unet/config.json\"", with: "\"unet/config.json\", \"unet/notes.txt\"").utf8)
                .write(to: list)
            try expectRefused("'unet/notes.txt', which the new one has not")
            try Data("no list".utf8).write(to: list)
            try expectRefused("a .atelier-files.json that is no list of files")
            #expect(try FileManager.default.contentsOfDirectory(atPath: work.path) == ["model"])
        }
    }

    @Test func `a training knows its exports of before there were lists`() throws {
        try inTemporaryFolder { work in
            let folder = work.appending(path: "model")
            try FileManager.default.createDirectory(
                at: folder.appending(path: "unet"), withIntermediateDirectories: true)
            let weights = folder.appending(path: "unet/diffusion_pytorch_model.safetensors").path
            func write(_ metadata: [String: String]) throws {
                try writeSafetensors(["a": Tensor([Float(1)])], metadata: metadata, to: weights)
            }
            try write(["format": "pt"])
            #expect(throws: GenerationError.self) { try OutputFolder(folder, isOfTraining: true) }
            try write(["recipe": "abc", "steps": "5"])
            #expect(throws: GenerationError.self) { try OutputFolder(folder, isOfTraining: false) }
            let output = try OutputFolder(folder, isOfTraining: true)
            try FileManager.default.createDirectory(
                at: output.staging.appending(path: "unet"), withIntermediateDirectories: true)
            let made = output.staging.appending(path: "unet/diffusion_pytorch_model.safetensors")
            try Data("new".utf8).write(to: made)
            try Data("mine".utf8).write(to: folder.appending(path: "notes.txt"))
            try output.commit()
            #expect(try Data(contentsOf: URL(filePath: weights)) == Data("new".utf8))
            #expect(try Data(contentsOf: folder.appending(path: "notes.txt")) == Data("mine".utf8))
            #expect(try FileManager.default.contentsOfDirectory(atPath: work.path) == ["model"])
        }
    }

    @Test func `a text encoder without its prefix is written with it`() throws {
        try inTemporaryFolder { work in
            let original = try ModelFolder(path: Fixtures.path("tiny-sd"))
            let bare = work.appending(path: "bare")
            try ModelConversion.writeFolder(original, to: bare, floatingPoint: nil)
            let file = bare.appending(path: "text_encoder/model.safetensors").path
            let stored = try tensors(original, "text_encoder").map {
                ($0.key.replacing("text_model.", with: ""), $0.value)
            }
            try writeSafetensors(
                Dictionary(uniqueKeysWithValues: stored), floatingPoint: nil, metadata: ["format": "pt"], to: file)
            let single = work.appending(path: "model.safetensors").path
            try ModelConversion.writeSingleFile(
                ModelFolder(path: bare.path), to: single, floatingPoint: nil,
                vocabulary: original.tokenizer("tokenizer"))
            try expectEqual(original, SingleFileModel(path: single, vocabulary: original.url("tokenizer")))
            let folder = work.appending(path: "folder")
            try ModelConversion.writeFolder(ModelFolder(path: bare.path), to: folder, floatingPoint: nil)
            try expectEqual(original, ModelFolder(path: folder.path))
        }
    }

    @Test func `an inspection says what a file is`() throws {
        for (file, kind) in [
            ("tiny-vae/diffusion_pytorch_model.safetensors", "an autoencoder alone"),
            ("tiny-taesd/diffusion_pytorch_model.safetensors", "a tiny autoencoder alone"),
            ("tiny-taesd/taesd_decoder.safetensors", "a tiny autoencoder alone"),
            ("torch-checkpoints/embedding.pt", "a textual-inversion embedding"),
            ("tiny-unet-sd1/diffusion_pytorch_model.safetensors", "one part of a model"),
        ] {
            let inspection = try ModelInspection(file: Fixtures.path(file), as: nil)
            #expect(inspection.kind.hasPrefix(kind) && inspection.parts.count == 1, "\(file): \(inspection.kind)")
        }
        let language = try ModelInspection(gguf: Fixtures.path("gguf/llama.gguf"))
        #expect(language.kind == "a language model, llama" && language.parts[0].tensors > 5)
    }

    /// bfloat16 numbers are float32 numbers: stored as either, a model of fp32 draws the same.
    @Test func `a model stored in bfloat16 is computed in fp32 unless bf16 is asked for`() throws {
        try inTemporaryFolder { work in
            let names = ["narrow", "wide"].map { work.appending(path: $0) }
            try ModelConversion.writeFolder(
                ModelFolder(path: Fixtures.path("tiny-sd")), to: names[0], floatingPoint: .bfloat16)
            try ModelConversion.writeFolder(ModelFolder(path: names[0].path), to: names[1], floatingPoint: .float32)
            let models = try names.map { try StableDiffusion(ModelFolder(path: $0.path)) }
            let request = GenerationRequest(
                prompt: "a cat", steps: 2, guidanceScale: 5, seed: 3, width: 32, height: 32, sampler: "euler")
            let drawn = try models.map { model in
                var denoising = try Denoising(request, model: model)
                denoising.advanceToEnd()
                return (denoising.latents, try denoising.picture())
            }
            #expect(isBitEqual(drawn[0].0, drawn[1].0) && drawn[0].1 == drawn[1].1)
        }
    }

    @Test func `a file without a vocabulary is not made of a model that has its own`() throws {
        try inTemporaryFolder { work in
            let original = try ModelFolder(path: Fixtures.path("tiny-sd"))
            let shipped = URL(filePath: #filePath).deletingLastPathComponent().appending(
                path: "../../Assets/tokenizers/clip"
            )
            .standardized
            let file = work.appending(path: "model.safetensors").path
            let error = #expect(throws: GenerationError.self) {
                try ModelConversion.writeSingleFile(
                    original, to: file, floatingPoint: nil, vocabulary: CLIPTokenizer(folder: shipped))
            }
            #expect(
                error?.subject == original.path + "/tokenizer" && error?.expected.contains("CLIP's vocabulary") == true)
            #expect(!FileManager.default.fileExists(atPath: file))
        }
    }

    /// NaN; a number that the narrower type cannot hold, where the message names the file that was asked for.
    @Test(arguments: [Double.nan, 1e6])
    func `weights that cannot be written are named, and nothing is written`(_ value: Double) throws {
        try inTemporaryFolder { work in
            let original = try ModelFolder(path: Fixtures.path("tiny-sd"))
            let broken = work.appending(path: "broken")
            try ModelConversion.writeFolder(original, to: broken, floatingPoint: nil)
            var unet = try tensors(original, "unet")
            let bias = try #require(unet["conv_out.bias"])
            unet["conv_out.bias"] = bias + value
            try writeSafetensors(
                unet, metadata: ["format": "pt"],
                to: broken.appending(path: "unet/diffusion_pytorch_model.safetensors").path)
            let folder = work.appending(path: "folder")
            let error = #expect(throws: (any Error).self) {
                try ModelConversion.writeFolder(ModelFolder(path: broken.path), to: folder, floatingPoint: .float16)
            }
            let text = error.map { "\($0)" } ?? ""
            let subject = value.isNaN ? "\(broken.path): unet.conv_out.bias" : folder.path + "/unet/diffusion"
            #expect(text.contains(subject) && text.contains("conv_out.bias"), "\(text)")
            #expect(!FileManager.default.fileExists(atPath: folder.path))
        }
    }

    /// What diffusers reads from `model_index.json` to choose a pipeline, and how it treats a missing negative prompt.
    @Test func `an index names the pipeline that draws with the model`() throws {
        struct Index: Decodable {
            let pipeline: String
            let aesthetics: Bool?
            let zeros: Bool?
            enum CodingKeys: String, CodingKey {
                case pipeline = "_class_name"
                case aesthetics = "requires_aesthetics_score"
                case zeros = "force_zeros_for_empty_prompt"
            }
        }
        try inTemporaryFolder { work in
            func written(_ store: any ModelStore, _ name: String) throws -> (index: Index, folder: ModelFolder) {
                let folder = work.appending(path: name)
                try ModelConversion.writeFolder(store, to: folder, floatingPoint: nil)
                let data = try Data(contentsOf: folder.appending(path: "model_index.json"))
                return (try JSONDecoder().decode(Index.self, from: data), try ModelFolder(path: folder.path))
            }
            let plain = try written(ModelFolder(path: Fixtures.path("tiny-sd")), "plain")
            #expect(plain.index.pipeline == "StableDiffusionPipeline" && !plain.folder.zeroesMissingNegative)
            let base = try written(ModelFolder(path: Fixtures.path("tiny-sdxl")), "base")
            #expect(base.index.pipeline == "StableDiffusionXLPipeline" && base.index.zeros == true)
            #expect(base.folder.zeroesMissingNegative && base.index.aesthetics == nil)
            let refiner = try written(PartStore(base.folder, without: "text_encoder"), "refiner")
            #expect(refiner.index.pipeline == "StableDiffusionXLImg2ImgPipeline" && refiner.index.aesthetics == true)
            #expect(refiner.index.zeros == false && !refiner.folder.zeroesMissingNegative)
            #expect(!refiner.folder.holds("text_encoder") && !refiner.folder.holds("tokenizer"))
        }
    }
}

/// A model without one of its parts.
private struct PartStore: ModelStore {
    let store: any ModelStore
    let missing: String

    init(_ store: any ModelStore, without part: String) {
        self.store = store
        missing = part
    }

    var path: String { store.path }
    func holds(_ part: String) -> Bool { part != missing && store.holds(part) }
    func configuration<Configuration: ModelConfiguration>(
        _ type: Configuration.Type, of part: String
    ) throws -> Configuration { try store.configuration(type, of: part) }
    func weights(of part: String, floatingPoint: DType?) throws -> any WeightSource {
        try store.weights(of: part, floatingPoint: floatingPoint)
    }
    func tokenizer(_ part: String) throws -> CLIPTokenizer { try store.tokenizer(part) }
    func scheduler() throws -> SchedulerConfiguration { try store.scheduler() }
    var strayKeys: [String] { store.strayKeys }
    func hash() throws -> String { try store.hash() }
}
