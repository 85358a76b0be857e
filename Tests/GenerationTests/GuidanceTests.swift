import Generation
import Samplers
import TensorCore
import TestSupport
import Testing

@Suite struct GuidanceTests {
    @Test func `rescaled guidance follows diffusers`() throws {
        let golden = try GoldenFile("sampler_grid")
        let (guided, conditional) = (try golden["guidance/guided"], try golden["guidance/conditional"])
        let found = rescaledGuidance(guided, conditional: conditional, share: 0.7)
        #expect(largestError(found, try golden["guidance/rescaled"]) < 1e-6)
        #expect(isBitEqual(rescaledGuidance(guided, conditional: conditional, share: 0), guided))
    }

    @Test func `rescaling gives the conditional deviation back`() throws {
        var random = TorchGenerator(seed: 1)
        let conditional = random.normal([3, 4, 8, 8])
        let found = rescaledGuidance(5 * conditional + 1, conditional: conditional, share: 1)
        let axes = [1, 2, 3]
        #expect(largestError(variance(found, axes: axes), variance(conditional, axes: axes)) < 1e-5)
    }
}

/// What a picture in the making does with samplers that ask more than once a step.
@Suite struct SamplerUseTests {
    private func request(_ sampler: String, rescale: Double? = nil) -> GenerationRequest {
        GenerationRequest(
            prompt: "a house", steps: 3, seed: 1, width: 16, height: 16, sampler: sampler, guidanceRescale: rescale)
    }

    @Test(arguments: SamplingMethod.all.map(\.name).filter { $0 != "flow_euler" })
    func `every sampler takes the steps that were asked for`(_ sampler: String) throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        try ComputeThread.shared.run {
            var denoising = try Denoising(request(sampler), model: model)
            #expect(denoising.totalSteps == 3 && denoising.samplerName == sampler)
            for step in 1...3 {
                denoising.advance()
                #expect(denoising.step == step)
            }
            #expect(denoising.isComplete)
            #expect(denoising.latents.floats.allSatisfy { $0.isFinite })
        }
    }

    @Test func `rescaled guidance changes the picture, and none leaves its bits`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        func latents(_ rescale: Double?) throws -> Tensor {
            var denoising = try Denoising(request("euler", rescale: rescale), model: model)
            while !denoising.isComplete { denoising.advance() }
            return denoising.latents
        }
        let plain = try latents(nil)
        #expect(isBitEqual(try latents(0), plain))
        #expect(!isBitEqual(try latents(0.7), plain))
    }
}
