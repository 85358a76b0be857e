import DiffusionModels
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// The tiny autoencoder's decoder beside diffusers.
@Suite struct AutoencoderTinyTests {
    private func load(_ file: String, _ sites: SiteIndex = SiteIndex()) throws -> AutoencoderTiny {
        let stored = try Fixtures.tensors(file)
        return try ScopedWeights.load(DictionarySource(stored), root: "", sites: sites, ignoring: ["encoder.*"]) {
            try AutoencoderTiny(shapes: stored.mapValues(\.shape), weights: $0)
        }.model
    }

    @Test func `every layer, under diffusers' names`() throws {
        let file = "tiny-taesd/golden_forward.safetensors"
        let golden = try Fixtures.tensors(file)
        let index = SiteIndex()
        let tiny = try load("tiny-taesd/diffusion_pytorch_model.safetensors", index)
        #expect(tiny.latentChannels == 4 && tiny.upsamplingFactor == 4)
        let recorder = SiteRecorder(index)
        let pictures = tiny.decode(try Fixtures.require(golden, "input/latents"), Pass(plan: recorder.plan()))
        for (name, expected) in tensors(golden, under: "site/") {
            let found = try #require(recorder[name], "\(name)")
            #expect(maximumDifference(found, expected) <= 1e-4, "\(name)")
        }
        #expect(maximumDifference(pictures, try Fixtures.require(golden, "output/pictures")) <= 1e-4)
    }

    @Test func `the original's names give the same bits`() throws {
        let latents = try Fixtures.require(
            Fixtures.tensors("tiny-taesd/golden_forward.safetensors"), "input/latents")
        let pictures = try ["diffusion_pytorch_model", "taesd_decoder"].map {
            try load("tiny-taesd/\($0).safetensors").decode(latents, Pass())
        }
        #expect(isBitEqual(pictures[0], pictures[1]))
    }

    @Test func `another file is refused with what it holds`() throws {
        let error = #expect(throws: WeightsError.self) { try load("tiny-vae/diffusion_pytorch_model.safetensors") }
        #expect(error?.description.contains("tiny autoencoder") == true)
    }
}
