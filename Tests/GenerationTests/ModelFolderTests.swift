import Foundation
import Generation
import Imaging
import Samplers
import TestSupport
import Testing

/// Folders and requests that cannot be used are refused with one clear sentence.
@Suite struct ModelFolderTests {
    /// Runs `body` with a copy of the tiny model whose files it may break.
    private func inCopy(_ body: (URL) throws -> Void) throws {
        try inTemporaryFolder { folder in
            let copy = folder.appending(path: "tiny-sd")
            try Fixtures.copy("tiny-sd", to: copy)
            try body(copy)
        }
    }

    private func load(_ folder: URL) throws -> StableDiffusion {
        try StableDiffusion(ModelFolder(path: folder.path))
    }

    @Test func `a missing folder is named`() {
        let error = #expect(throws: GenerationError.self) { try ModelFolder(path: "/nowhere/model") }
        #expect(error?.description.contains("/nowhere/model") == true)
    }

    @Test func `a file in place of a folder is named`() {
        let path = Fixtures.path("tiny-sd/model_index.json")
        let error = #expect(throws: GenerationError.self) { try ModelFolder(path: path) }
        #expect(error?.found.contains("a file") == true)
    }

    @Test func `a wrong shape names tensor, expected and found`() throws {
        try inCopy { folder in
            let path = folder.appending(path: "unet/config.json")
            let text = try String(contentsOf: path, encoding: .utf8)
            try text.replacing("\"in_channels\": 4", with: "\"in_channels\": 9").write(
                to: path, atomically: true, encoding: .utf8)
            let error = #expect(throws: (any Error).self) { try load(folder) }
            #expect("\(error as Any)".contains("conv_in.weight"))
        }
    }

    @Test func `truncated weights are refused`() throws {
        try inCopy { folder in
            let path = folder.appending(path: "vae/diffusion_pytorch_model.safetensors")
            let data = try Data(contentsOf: path)
            try data.prefix(data.count / 2).write(to: path)
            let error = #expect(throws: (any Error).self) { try load(folder) }
            #expect("\(error as Any)".contains("vae/diffusion_pytorch_model.safetensors"))
        }
    }

    /// As diffusers' pipelines read an outdated configuration.
    @Test func `an outdated scheduler is corrected as diffusers' pipelines do`() throws {
        try inCopy { folder in
            func change(_ file: String, _ old: String, _ new: String) throws {
                let path = folder.appending(path: file)
                let text = try String(contentsOf: path, encoding: .utf8)
                #expect(text.contains(old))
                try text.replacing(old, with: new).write(to: path, atomically: true, encoding: .utf8)
            }
            let scheduler = "scheduler/scheduler_config.json"
            try change(scheduler, "\"steps_offset\": 1", "\"steps_offset\": 0")
            try change(scheduler, "\"clip_sample\": false", "\"clip_sample\": true")
            let read = try ModelFolder(path: folder.path).scheduler()
            #expect(read.stepsOffset == 1 && read.clipsSample == false)
            try change("model_index.json", "\"StableDiffusionPipeline\"", "\"StableDiffusionInpaintPipeline\"")
            let inpainting = try ModelFolder(path: folder.path).scheduler()
            #expect(inpainting.stepsOffset == 1 && inpainting.clipsSample == true && inpainting.skipsRungeKutta == true)
            try change("model_index.json", "\"StableDiffusionInpaintPipeline\"", "\"LatentConsistencyModelPipeline\"")
            let other = try ModelFolder(path: folder.path).scheduler()
            #expect(other.stepsOffset == 0 && other.clipsSample == true)
        }
    }

    @Test func `symbolic links are followed`() throws {
        try inCopy { folder in
            let unet = folder.appending(path: "unet")
            let moved = folder.appending(path: "blobs")
            try FileManager.default.moveItem(at: unet, to: moved)
            try FileManager.default.createDirectory(at: unet, withIntermediateDirectories: true)
            for name in try FileManager.default.contentsOfDirectory(atPath: moved.path) {
                try FileManager.default.createSymbolicLink(
                    at: unet.appending(path: name), withDestinationURL: moved.appending(path: name))
            }
            #expect(throws: Never.self) { try load(folder) }
        }
    }

    @Test func `the hash follows the contents`() throws {
        try inCopy { folder in
            let before = try ModelFolder(path: folder.path).hash()
            #expect(before.count == 64)
            #expect(try ModelFolder(path: folder.path).hash() == before)
            try Data("{}".utf8).write(to: folder.appending(path: "extra.json"))
            #expect(try ModelFolder(path: folder.path).hash() != before)
        }
    }

    @Test(arguments: [(63, 48, 10, 7.5), (64, 0, 10, 7.5), (64, 48, 0, 7.5), (64, 48, 10, -1.0), (64, 48, 10, .nan)])
    func `impossible requests are refused`(_ width: Int, _ height: Int, _ steps: Int, _ scale: Double) throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let request = GenerationRequest(
            prompt: "x", steps: steps, guidanceScale: scale, width: width, height: height)
        #expect(throws: GenerationError.self) { try Denoising(request, model: model) }
    }

    @Test func `a picture carries its recipe in two forms`() throws {
        let request = GenerationRequest(
            prompt: "a cat, sitting", negativePrompt: "dog", steps: 20, guidanceScale: 7, seed: 5, width: 64,
            height: 48, sampler: "euler")
        let recipe = PictureRecipe(
            engine: "1", model: "tiny", modelHash: String(repeating: "a", count: 64), precision: .fp32,
            request: request)
        let metadata = try recipe.metadata()
        let parameters = try #require(metadata["parameters"])
        #expect(parameters.hasPrefix("a cat, sitting\nNegative prompt: dog\nSteps: 20, Sampler: Euler, CFG scale: 7"))
        // The schedule is named as A1111 names it, wherever it comes from.
        for (sampler, schedule, words) in [
            ("Euler Karras", nil, "Sampler: Euler, Schedule type: Karras,"),
            ("euler", "karras", "Schedule type: Karras,"),
            ("dpm++2m", "automatic", "Sampler: DPM++ 2M, CFG scale"),
            ("ddim_trailing", nil, "Schedule type: SGM Uniform,"),
            ("euler", nil, "Sampler: Euler, CFG scale"),
        ] as [(String, String?, String)] {
            var (drawn, other) = (recipe, request)
            (other.sampler, other.schedule, other.steps) = (sampler, schedule, 1)
            (other.width, other.height) = (32, 32)
            drawn.request = other
            var denoising = try Denoising(other, model: StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))))
            denoising.advanceToEnd()
            drawn.note(denoising)
            #expect(drawn.infotext.text.contains(words), "\(drawn.infotext.text)")
        }
        let json = try #require(metadata["atelier"])
        #expect(try JSONDecoder().decode(PictureRecipe.self, from: Data(json.utf8)) == recipe)
    }
}
