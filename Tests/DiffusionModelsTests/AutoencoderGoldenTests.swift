import DiffusionModels
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// The autoencoder beside diffusers.
@Suite struct AutoencoderGoldenTests {
    static func load(
        _ sites: SiteIndex = SiteIndex(), _ transform: (String, Tensor) -> (String, Tensor) = { ($0, $1) }
    ) throws -> (model: AutoencoderKL, parameters: [String: Tensor], report: LoadReport) {
        let configuration = try AutoencoderKLConfiguration.decode(
            Fixtures.data("tiny-vae/config.json"), path: "tiny-vae/config.json")
        let stored = try Fixtures.tensors("tiny-vae/diffusion_pytorch_model.safetensors")
        let parameters = Dictionary(uniqueKeysWithValues: stored.map { transform($0.key, $0.value) })
        let (model, report) = try ScopedWeights.load(DictionarySource(parameters), root: "", sites: sites) {
            try AutoencoderKL(configuration, weights: $0)
        }
        return (model, parameters, report)
    }

    @Test func everySite() throws {
        let file = "tiny-vae/golden_forward.safetensors"
        let golden = try Fixtures.tensors(file)
        let index = SiteIndex()
        let vae = try Self.load(index).model
        let recorder = SiteRecorder(index)
        let pass = Pass(plan: recorder.plan())
        let latents = vae.encode(try Fixtures.require(golden, "input/picture"), pass)
        let decoded = vae.decode(latents.mean, pass)
        let sites = try GoldenSites(file)
        #expect(sites.values.count > 100)
        #expect(sites.differences(tolerance: 1e-4) { recorder[$0] } == [])
        for (name, value) in [
            "mean": latents.mean, "logvar": latents.logVariance, "std": latents.standardDeviation,
            "sample": latents.sample(noise: try Fixtures.require(golden, "input/noise")), "decoded": decoded,
            "decoded_latents": vae.decode(try Fixtures.require(golden, "input/latents"), Pass()),
        ] {
            #expect(maximumDifference(value, try Fixtures.require(golden, "output/\(name)")) <= 1e-4, "\(name)")
        }
        let divergence = try Fixtures.require(golden, "output/kl")
        #expect(relativeL2(latents.divergenceFromStandard, divergence) <= 1e-5)
    }

    @Test(arguments: [CheckpointPolicy.none, .blocks])
    func everyGradient(_ checkpointing: CheckpointPolicy) throws {
        let golden = try Fixtures.tensors("tiny-vae/golden_gradients.safetensors")
        let (vae, parameters, _) = try Self.load { ($0, $1.tracked()) }
        let picture = try Fixtures.require(golden, "input/picture")
        let leaf = picture.tracked()
        let pass = Pass(checkpointing: checkpointing)
        let loss = meanSquaredError(vae.decode(vae.encode(leaf, pass).mean, pass), picture)
        #expect(maximumDifference(loss, try Fixtures.require(golden, "loss")) <= 1e-4)
        let result = gradients(of: loss)
        let expected = tensors(golden, under: "gradient/")
        #expect(expected.count == parameters.count)
        #expect(gradientDifferences(golden: expected) { parameters[$0].flatMap { result[$0] } } == [])
        let input = tensors(golden, under: "input_gradient/")
        #expect(gradientDifferences(golden: input) { _ in result[leaf] } == [])
    }

    /// Files from before diffusers renamed the attention projections.
    @Test func oldAttentionNames() throws {
        let names = [".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."]
        let index = SiteIndex()
        let (vae, parameters, report) = try Self.load(index) { key, tensor in
            let renamed = names.reduce(key) { $0.replacing($1.key, with: $1.value) }
            return (renamed, tensor)
        }
        #expect(parameters["decoder.mid_block.attentions.0.proj_attn.bias"] != nil)
        #expect(report.unused == [])
        let latents = Tensor([Float](repeating: 0.5, count: 48), shape: [1, 4, 4, 3])
        let usual = try Self.load().model
        #expect(isBitEqual(vae.decode(latents, Pass()), usual.decode(latents, Pass())))
        #expect(index["decoder.mid_block.attentions.0.to_q"] != nil)
        #expect(index["decoder.mid_block.attentions.0.query"] == nil)
    }

    @Test func scalingIsInverted() throws {
        var configuration = AutoencoderKLConfiguration()
        configuration.normGroups = 8
        configuration.blockOutChannels = [8]
        configuration.scalingFactor = 0.5
        configuration.shiftFactor = 2
        let vae = try AutoencoderKL(configuration, weights: ScopedWeights(InitializingSource(seed: 1)))
        let latents = Tensor([1, 2, 3] as [Float])
        #expect(vae.scaled(latents).floats == [-0.5, 0, 0.5])
        #expect(vae.unscaled(vae.scaled(latents)).floats == [1, 2, 3])
    }
}
