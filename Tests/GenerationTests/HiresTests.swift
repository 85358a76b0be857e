@testable import Generation
import Layers
import Samplers
import TensorCore
import TestSupport
import Testing

/// The second pass at a larger size.
@Suite struct HiresTests {
    private func request(_ hires: HiresFix?) -> GenerationRequest {
        var request = GenerationRequest(
            prompt: "a house", steps: 4, guidanceScale: 4, seed: 7, width: 32, height: 24, sampler: "euler")
        request.hires = hires
        return request
    }

    private func draw(_ request: GenerationRequest) throws -> (latents: Tensor, steps: Int, total: Int) {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        var denoising = try Denoising(request, model: model)
        let total = denoising.totalSteps
        var steps = 0
        while !denoising.isComplete {
            denoising.advance()
            steps += 1
            #expect(denoising.step == steps && denoising.totalSteps == total)
        }
        return (denoising.latents, steps, total)
    }

    @Test(arguments: LatentUpscaler.allCases) func `latents are resized as torch does`(_ upscaler: LatentUpscaler)
        throws
    {
        let names: [LatentUpscaler: String] = [
            .bilinear: "bilinear", .nearest: "nearest", .nearestExact: "nearest-exact", .bicubic: "bicubic",
        ]
        let golden = try Fixtures.tensors("resized_latents.safetensors")
        let input = try Fixtures.require(golden, "input")
        for (height, width) in [(14, 12), (10, 15)] {
            let expected = try Fixtures.require(golden, "\(names[upscaler] ?? "")/\(height)x\(width)")
            #expect(maximumDifference(upscaler(input, height: height, width: width), expected) < 1e-5)
        }
        #expect(try LatentUpscaler.find(upscaler.rawValue.lowercased()) == upscaler)
    }

    @Test func `the second pass takes its share of the steps, at the larger size`() throws {
        let drawn = try draw(request(HiresFix(scale: 1.5, steps: 6, denoisingStrength: 0.5)))
        #expect(drawn.steps == 4 + 3 && drawn.total == 7)
        #expect(drawn.latents.shape == [1, 4, 9, 12])
        #expect(drawn.latents.floats.allSatisfy { $0.isFinite })
    }

    @Test func `the second pass is image to image from the enlarged latents`() throws {
        let hires = HiresFix(scale: 2, steps: 5, denoisingStrength: 0.6)
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let second = hires.request(from: request(hires), latentFactor: model.latentFactor)
        #expect(second.width == 64 && second.height == 48 && second.steps == 5)
        var sampler = try second.makeSampler(model.scheduler)
        var random = TorchGenerator(seed: second.seed)
        let start = sampler.begin(at: 2)
        let enlarged = LatentUpscaler.bilinear(try draw(request(nil)).latents, height: 12, width: 16)
        var latents = sampler.noised(enlarged, noise: random.normal(enlarged.shape), at: start)
        let guided = GuidedRows(second, model, Pass())
        for (index, evaluation) in sampler.evaluations.enumerated().dropFirst(start) {
            let input = sampler.modelInput(latents, at: index)
            let output = guided.predict(input, timestep: evaluation.timestep, model.unet, Pass())
            latents = sampler.step(output, latents: latents, at: index, random: &random)
        }
        let drawn = try draw(request(hires))
        #expect(drawn.steps == 4 + 3)
        #expect(isBitEqual(drawn.latents, latents))
    }

    @Test func `a strength of one draws the larger picture anew`() throws {
        let fresh = try draw(request(HiresFix(scale: 2, steps: 5, denoisingStrength: 1)))
        #expect(fresh.steps == 9)
        let again = try draw(request(HiresFix(scale: 2, steps: 5, denoisingStrength: 1)))
        #expect(isBitEqual(fresh.latents, again.latents))
    }

    @Test(arguments: [
        (HiresFix(scale: 0.5), "hires scale"), (HiresFix(scale: 2, denoisingStrength: 0), "strength"),
        (HiresFix(scale: 2, steps: 0), "hires steps"),
        (HiresFix(scale: 2, steps: 3, denoisingStrength: 0.1), "strength"),
        (HiresFix(scale: .nan), "hires scale"),
    ])
    func `what cannot be is refused before any compute`(_ hires: HiresFix, _ word: String) throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let error = #expect(throws: GenerationError.self) { try Denoising(request(hires), model: model) }
        #expect(error?.description.contains(word) == true, "\(String(describing: error))")
    }
}
