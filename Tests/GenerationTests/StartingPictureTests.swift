import DiffusionModels
import Foundation
@testable import Generation
import Imaging
import TensorCore
import TestSupport
import Testing

/// Image to image and inpainting, against diffusers' own pipelines on a tiny random model.
@Suite struct StartingPictureTests {
    private func image(_ pixels: Tensor) -> Image {
        let values = pixels.array(of: UInt8.self)
        let isGrey = pixels.rank == 2
        return Image(
            width: pixels.size(1), height: pixels.size(0), pixels: isGrey ? values.flatMap { [$0, $0, $0] } : values)
    }

    private func request(_ sampler: String) -> GenerationRequest {
        GenerationRequest(
            prompt: "a woman with red hair", negativePrompt: "blurry", steps: 8, guidanceScale: 4, seed: 7, width: 32,
            height: 32, sampler: sampler)
    }

    @Test(arguments: [
        ("img2img_ddim", "ddim", 0.6, false), ("img2img_euler", "euler", 0.8, false),
        ("inpaint_ddim", "ddim", 0.75, true), ("inpaint_full", "ddim", 1, true),
    ])
    func `steps from a picture follow diffusers`(
        _ name: String, _ sampler: String, _ strength: Double, _ isMasked: Bool
    ) throws {
        let golden = try Fixtures.tensors("tiny-sd/golden_\(name).safetensors")
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let start = StartingPicture(
            image(try Fixtures.require(golden, "input")), strength: strength,
            mask: isMasked ? image(try Fixtures.require(golden, "mask")) : nil)
        try ComputeThread.shared.run {
            var denoising = try Denoising(request(sampler), model: model, startingFrom: start)
            var count = 0
            while !denoising.isComplete {
                denoising.advance()
                let expected = try Fixtures.require(golden, "step/\(count)/latents")
                #expect(maximumDifference(denoising.latents, expected) < 1e-3, "step \(count)")
                count += 1
            }
            #expect(golden["step/\(count)/latents"] == nil)
            let expected = try Fixtures.require(golden, "picture").array(of: UInt8.self)
            let largest = zip(try denoising.picture().pixels, expected).map { abs(Int($0) - Int($1)) }.max() ?? 255
            #expect(largest <= 1)
        }
    }

    @Test(arguments: [0, -1, 1.5, 0.01, .nan]) func `a strength that does nothing is refused`(_ strength: Double) throws
    {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let start = StartingPicture(Image(width: 32, height: 32), strength: strength)
        let error = #expect(throws: GenerationError.self) {
            try Denoising(request("ddim"), model: model, startingFrom: start)
        }
        #expect(error?.description.contains("strength") == true)
    }
}
