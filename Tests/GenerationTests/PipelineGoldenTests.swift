import Foundation
import Generation
import Imaging
import TensorCore
import TestSupport
import Testing

/// The whole way from prompt to picture, against diffusers' own pipeline on a tiny random model.
@Suite struct PipelineGoldenTests {
    static let prompt = "a portrait of an old man with white hair, smiling"

    private func request(_ sampler: String, guidanceScale: Double = 7.5) -> GenerationRequest {
        GenerationRequest(
            prompt: Self.prompt, negativePrompt: "blurry, low quality", steps: 10, guidanceScale: guidanceScale,
            seed: 42, width: 64, height: 48, sampler: sampler)
    }

    @Test(arguments: [("ddim", "ddim"), ("euler", "euler"), ("dpm++2m", "dpmpp2m")], TestedBackend.all)
    func `ten guided steps follow diffusers`(_ names: (sampler: String, file: String), _ tested: TestedBackend) throws {
        let (sampler, file) = names
        let golden = try Fixtures.tensors("tiny-sd/golden_\(file).safetensors")
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")), device: tested.backend)
        try ComputeThread.shared.run {
            var denoising = try Denoising(request(sampler), model: model)
            let initial = try Fixtures.require(golden, "initial_latents")
            #expect(maximumDifference(denoising.latents, initial) < 1e-5 * (1 + l2Norm(initial).asFloat / 10))
            while !denoising.isComplete {
                denoising.advance()
                let expected = try Fixtures.require(golden, "step/\(denoising.step - 1)/latents")
                #expect(maximumDifference(denoising.latents, expected) < 1e-3, "step \(denoising.step)")
            }
            #expect(maximumDifference(denoising.latents, try Fixtures.require(golden, "final_latents")) < 1e-3)
            let expected = try Fixtures.require(golden, "picture").array(of: UInt8.self)
            let largest = zip(try denoising.picture().pixels, expected).map { abs(Int($0) - Int($1)) }.max() ?? 255
            #expect(largest <= 1)
        }
    }

    @Test func `text encodings follow transformers`() throws {
        let golden = try Fixtures.tensors("tiny-sd/golden_ddim.safetensors")
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        for (prompt, name) in [("blurry, low quality", "text/unconditional"), (Self.prompt, "text/conditional")] {
            let expected = try Fixtures.require(golden, name)
            let found = model.text(prompt).context.reshaped(expected.shape)
            #expect(maximumDifference(found, expected) < 1e-4, "\(name)")
        }
    }

    @Test func `the same request gives the same bits, another seed another picture`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        func latents(_ seed: UInt64) throws -> Tensor {
            var request = request("euler")
            request.seed = seed
            request.steps = 2
            var denoising = try Denoising(request, model: model)
            while !denoising.isComplete { denoising.advance() }
            return denoising.latents
        }
        #expect(isBitEqual(try latents(1), try latents(1)))
        #expect(!isBitEqual(try latents(1), try latents(2)))
    }

    @Test func `a half-precision variant draws nearly the same`() throws {
        let full = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let folder = try ModelFolder(path: Fixtures.path("tiny-sd"))
        let rounded = try StableDiffusion(folder, precision: .bf16)
        func final(_ model: StableDiffusion) throws -> Tensor {
            var request = request("ddim")
            request.steps = 2
            var denoising = try Denoising(request, model: model)
            while !denoising.isComplete { denoising.advance() }
            return denoising.latents
        }
        let (exact, approximate) = (try final(full), try final(rounded))
        #expect(relativeL2(approximate, exact) < 0.1)
        #expect(!isBitEqual(approximate, exact))
    }
}

extension Double {
    fileprivate var asFloat: Float { Float(self) }
}
