import DiffusionModels
import Foundation
@testable import Generation
import Imaging
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// Autoencoders that come apart from their model.
@Suite struct ModelAdditionTests {
    private let latents: Tensor

    init() {
        let values: [Float] = (0..<256).map { index in Float(index % 11) / 5 - 1 }
        latents = Tensor(values, shape: [1, 4, 8, 8])
    }

    private func load(_ role: ModelAddition.Role, _ path: String) throws -> StableDiffusion {
        try StableDiffusion(
            ModelFolder(path: Fixtures.path("tiny-sd")), additions: [ModelAddition(role, path: path)])
    }

    /// The stand-alone autoencoder under the names of latent diffusion, kernels of attention as convolutions.
    private func ldmTensors(_ stored: [String: Tensor], prefix: String) throws -> [String: Tensor] {
        let configuration = try AutoencoderKLConfiguration.decode(
            Fixtures.data("tiny-vae/config.json"), path: "tiny-vae/config.json")
        let table = KeyTable.ldmAutoencoder(configuration).inverse
        var renamed: [String: Tensor] = [:]
        for (key, tensor) in stored {
            let name = try #require(table.translated(key), "\(key)")
            let isKernel = key.contains(".attentions.") && tensor.rank == 2
            renamed[prefix + name] = isKernel ? tensor.reshaped(tensor.shape + [1, 1]) : tensor
        }
        return renamed
    }

    @Test func `every form of an autoencoder's file decodes to the same bits`() throws {
        // The model's own weights, a little smaller.
        let stored = try Fixtures.tensors("tiny-vae/diffusion_pytorch_model.safetensors").mapValues { $0 * 0.9 }
        let own = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "diffusion_pytorch_model.safetensors").path
            try writeSafetensors(stored, to: path)
            try Fixtures.data("tiny-vae/config.json").write(to: folder.appending(path: "config.json"))
            let whole = try load(.autoencoder, folder.path)
            let expected = whole.autoencoder.decode(latents, Pass())
            #expect(!isBitEqual(own.autoencoder.decode(latents, Pass()), expected))
            let plain = try load(.autoencoder, path)
            #expect(isBitEqual(plain.autoencoder.decode(latents, Pass()), expected))
            #expect(plain.unusedKeys == [])
            for prefix in ["first_stage_model.", ""] {
                let path = folder.appending(path: "\(prefix)vae.safetensors").path
                var tensors = try ldmTensors(stored, prefix: prefix)
                tensors[prefix + "loss.logvar"] = Tensor.zeros([1])
                tensors[prefix + "decoder.extra.weight"] = Tensor.zeros([1])
                try writeSafetensors(tensors, to: path)
                let model = try load(.autoencoder, path)
                #expect(model.unusedKeys == ["\(path): decoder.extra.weight"])
                #expect(isBitEqual(model.autoencoder.decode(latents, Pass()), expected), "\(prefix)")
            }
        }
    }

    @Test func `a model's folder stands for its autoencoder`() throws {
        let own = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let same = try load(.autoencoder, Fixtures.path("tiny-sd"))
        #expect(isBitEqual(own.autoencoder.decode(latents, Pass()), same.autoencoder.decode(latents, Pass())))
    }

    @Test func `what is no autoencoder is refused by name`() throws {
        let path = Fixtures.path("tiny-sd/unet/diffusion_pytorch_model.safetensors")
        let error = #expect(throws: GenerationError.self) { try load(.autoencoder, path) }
        #expect(error?.subject == path && error?.description.contains("autoencoder") == true)
    }

    @Test func `a tiny decoder takes the autoencoder's place`() throws {
        let own = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let names = ["tiny-taesd", "tiny-taesd/taesd_decoder.safetensors"]
        let pictures = try names.map { try load(.tinyAutoencoder, Fixtures.path($0)).picture(of: latents) }
        #expect(pictures[0] == pictures[1])
        #expect(try pictures[0].width == 32 && pictures[0] != own.picture(of: latents))
    }

    @Test func `tiled pictures have the size of whole ones`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let large = Tensor.zeros([1, 4, 12, 20]) + 0.5
        let (whole, tiled) = (
            try model.picture(of: large), try model.picture(of: large, tiles: model.autoencoder.tiles)
        )
        #expect(tiled.width == whole.width && tiled.height == whole.height)
    }
}
