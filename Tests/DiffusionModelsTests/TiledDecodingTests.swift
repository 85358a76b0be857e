import DiffusionModels
import Foundation
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// Decoding over tiles, beside diffusers' and beside decoding at once.
@Suite(.serialized) struct TiledDecodingTests {
    @Test(arguments: ["both", "wide", "small"])
    func `tiles are cut and blended as diffusers does`(_ name: String) throws {
        let golden = try Fixtures.tensors("tiny-vae/golden_tiled.safetensors")
        let vae = try AutoencoderGoldenTests.load().model
        let found = vae.decodeTiled(try Fixtures.require(golden, "input/\(name)"), Pass())
        #expect(maximumDifference(found, try Fixtures.require(golden, "output/\(name)")) <= 1e-4)
    }

    @Test func `a decoder that looks at one latent gives the same picture, whatever the tiles`() {
        let values: [Float] = (0..<748).map { index in Float(index % 13) }
        let latents = Tensor(values, shape: [1, 4, 11, 17])
        func decode(_ x: Tensor) -> Tensor { resample(x * 2 - 1, .nearest(factor: 4)) }
        for side in [1, 2, 3, 5, 8, 16, 40] {
            for overlap in [0, 0.125, 0.25, 0.5] {
                let tiles = DecodingTiles(side: side, overlap: overlap, factor: 4)
                let found = tiles.decode(latents, with: decode)
                #expect(maximumDifference(found, decode(latents)) <= 1e-5, "\(side) \(overlap)")
            }
        }
    }

    /// With the trained autoencoder of `mini`: random weights have no smooth pictures.
    @Test func `smooth latents decode nearly the same, in less memory`() throws {
        let folder = Fixtures.folder.appending(path: "../../../Assets/models/mini/vae").standardized.path
        let configuration = try AutoencoderKLConfiguration.decode(
            Data(contentsOf: URL(filePath: folder + "/config.json")), path: folder)
        let source = try WeightFiles(in: folder, baseName: "diffusion_pytorch_model").source()
        let vae = try ScopedWeights.load(source, root: "vae") { try AutoencoderKL(configuration, weights: $0) }.model
        let side = 2 * configuration.sampleSize
        let ramp: [Float] = (0..<side).map { index in Float(index) / Float(side) - 0.5 }
        let picture = Tensor.zeros([1, 3, side, side]) + Tensor(ramp, shape: [1, 1, side, 1])
        let smooth = vae.encode(picture, Pass()).mean
        // Other tests share the pool: the least of several runs is the decoding's own.
        func peak(_ body: () -> Tensor) -> (picture: Tensor, bytes: Int) {
            let runs = (0..<5).map { _ in
                ComputeThread.shared.run {
                    let before = MemoryPool.shared.statistics.liveBytes
                    MemoryPool.shared.resetPeak()
                    let picture = body()
                    return (picture: picture, bytes: MemoryPool.shared.statistics.peakLiveBytes - before)
                }
            }
            return runs.min { $0.bytes < $1.bytes } ?? runs[0]
        }
        let whole = peak { vae.decode(smooth, Pass()) }
        let tiled = peak { vae.decodeTiled(smooth, Pass()) }
        #expect(tiled.picture.shape == whole.picture.shape)
        #expect(relativeL2(tiled.picture, whole.picture) < 0.2)
        #expect(Double(tiled.bytes) < 0.4 * Double(whole.bytes), "\(tiled.bytes) of \(whole.bytes)")
    }
}
