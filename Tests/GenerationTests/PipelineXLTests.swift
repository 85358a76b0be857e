import Generation
import Imaging
import TensorCore
import TestSupport
import Testing

/// Two text encoders, pooled text and sizes, against diffusers' SDXL pipeline on a tiny random model.
@Suite struct PipelineXLTests {
    private static let prompt = "a woman with red hair, smiling"

    @Test(arguments: [("none", nil), ("given", "blurry")])
    func `guided steps follow diffusers`(_ name: String, _ negative: String?) throws {
        let golden = try Fixtures.tensors("tiny-sdxl/golden_\(name).safetensors")
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sdxl")))
        #expect(model.unusedKeys.isEmpty)
        let request = GenerationRequest(
            prompt: Self.prompt, negativePrompt: negative, steps: 4, guidanceScale: 5, seed: 11, width: 32, height: 24)
        try ComputeThread.shared.run {
            var denoising = try Denoising(request, model: model)
            #expect(denoising.samplerName == "euler")
            while !denoising.isComplete {
                denoising.advance()
                let expected = try Fixtures.require(golden, "step/\(denoising.step - 1)/latents")
                #expect(maximumDifference(denoising.latents, expected) < 1e-3, "step \(denoising.step)")
            }
            let expected = try Fixtures.require(golden, "picture").array(of: UInt8.self)
            let largest = zip(try denoising.picture().pixels, expected).map { abs(Int($0) - Int($1)) }.max() ?? 255
            #expect(largest <= 1)
        }
    }

    @Test func `context and pooled text follow diffusers`() throws {
        let golden = try Fixtures.tensors("tiny-sdxl/golden_none.safetensors")
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sdxl")))
        let text = model.text(Self.prompt)
        #expect(maximumDifference(text.context, try Fixtures.require(golden, "context")) < 1e-4)
        let pooled = try #require(text.pooled)
        #expect(maximumDifference(pooled, try Fixtures.require(golden, "pooled")) < 1e-4)
    }
}
