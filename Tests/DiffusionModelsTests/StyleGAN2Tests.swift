import DiffusionModels
import Foundation
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// The StyleGAN2 generator beside an implementation in PyTorch that was written for it, and what its styles do.
@Suite struct StyleGAN2Tests {
    private static let file = Fixtures.path("tiny-stylegan2/generator.safetensors")
    private let model: StyleGAN2
    private let golden: [String: Tensor]

    init() throws {
        let unused: [String]
        (model, unused) = try StyleGAN2.load(path: Self.file)
        #expect(unused.isEmpty)
        golden = try Fixtures.tensors("tiny-stylegan2/golden_forward.safetensors")
    }

    private func styles() throws -> Tensor { try Fixtures.require(golden, "output/styles") }

    @Test func `shapes tell the sizes`() {
        let sizes = model.configuration
        #expect(sizes.latentSize == 6 && sizes.styleSize == 8 && sizes.labelSize == 3 && sizes.styleCount == 6)
        #expect(sizes.resolution == 16 && sizes.channels == [10, 8, 6] && sizes.resolutions == [4, 8, 16])
        #expect(
            model.styleLayers.map(\.name) == [
                "b4.conv1", "b4.torgb", "b8.conv0", "b8.conv1", "b8.torgb", "b16.conv0", "b16.conv1", "b16.torgb",
            ])
        #expect(model.styleLayers.map(\.channels) == [10, 10, 10, 8, 8, 8, 6, 6])
    }

    @Test func `the mapping, its labels and truncation are PyTorch's`() throws {
        let latents = try Fixtures.require(golden, "input/latents")
        let labels = try Fixtures.require(golden, "input/labels")
        let plain = model.styles(of: latents, labels: labels)
        #expect(try maximumDifference(plain, styles()) < 1e-5)
        let cut = model.styles(of: latents, labels: labels, truncation: StyleTruncation(psi: 0.6, layers: 3))
        #expect(maximumDifference(cut, try Fixtures.require(golden, "output/truncated")) < 1e-5)
        #expect(maximumDifference(plain, model.styles(of: latents)) > 1e-2)
        // All of the way back there is one style only.
        let mean = model.styles(of: latents, labels: labels, truncation: StyleTruncation(psi: 0))
        #expect(maximumDifference(mean.narrowed(0, start: 0, count: 1), mean.narrowed(0, start: 1, count: 1)) == 0)
    }

    @Test func `every layer and the pictures are PyTorch's`() throws {
        let sites = SiteIndex()
        let stored = try Fixtures.tensors("tiny-stylegan2/generator.safetensors")
        let configuration = try StyleGAN2Configuration(shapes: stored.mapValues(\.shape), path: Self.file)
        let named = try StyleGAN2(configuration, weights: ScopedWeights(DictionarySource(stored), sites: sites))
            .prepared()
        let recorder = SiteRecorder(sites)
        let pictures = named.pictures(of: try styles(), noise: .constant, Pass(plan: recorder.plan()))
        for (name, expected) in tensors(golden, under: "site/") {
            let found = try #require(recorder[name], "\(name)").narrowed(0, start: 0, count: 1)
            #expect(maximumDifference(found, expected) < 1e-4, "\(name)")
        }
        #expect(maximumDifference(pictures, try Fixtures.require(golden, "output/constant")) < 1e-4)
        let silent = model.pictures(of: try styles(), noise: .none)
        #expect(maximumDifference(silent, try Fixtures.require(golden, "output/none")) < 1e-4)
        #expect(maximumDifference(silent, pictures) > 1e-2)
    }

    @Test func `offsets of StyleSpace are added to one channel each`() throws {
        let offsets = [
            StyleOffset(layer: "b8.conv0", channel: 3, amount: 1.5),
            StyleOffset(layer: "b8.conv0", channel: 4, amount: -0.5),
            StyleOffset(layer: "b16.torgb", channel: 1, amount: 2),
        ]
        let moved = model.pictures(of: try styles(), offsets: offsets, noise: .none)
        #expect(maximumDifference(moved, try Fixtures.require(golden, "output/offset")) < 1e-4)
        let still = offsets.map { StyleOffset(layer: $0.layer, channel: $0.channel, amount: 0) }
        let plain = model.pictures(of: try styles(), noise: .none)
        #expect(isBitEqual(model.pictures(of: try styles(), offsets: still, noise: .none), plain))
        let space = model.styleSpace(of: try styles())
        #expect(space.count == 8 && space["b8.conv0"]?.shape == [2, 10])
    }

    @Test func `a picture of a batch is the picture alone, and noise is its seed's`() throws {
        let both = model.pictures(of: try styles())
        let second = model.pictures(of: try styles().narrowed(0, start: 1, count: 1))
        #expect(maximumDifference(both.narrowed(0, start: 1, count: 1), second) < 1e-5)
        func drawn(_ seed: UInt64) throws -> Tensor { model.pictures(of: try styles(), noise: .random(seed: seed)) }
        #expect(try isBitEqual(drawn(3), drawn(3)) && maximumDifference(drawn(3), drawn(4)) > 1e-2)
    }

    @Test func `what is no such generator is refused by name`() throws {
        let stored = try Fixtures.tensors("tiny-stylegan2/generator.safetensors")
        func failure(_ change: (inout [String: Tensor]) -> Void) throws -> String {
            var changed = stored
            change(&changed)
            let error = #expect(throws: WeightsError.self) {
                let sizes = try StyleGAN2Configuration(shapes: changed.mapValues(\.shape), path: "g.safetensors")
                _ = try ScopedWeights.load(DictionarySource(changed, name: "g.safetensors"), root: "") {
                    try StyleGAN2(sizes, weights: $0)
                }
            }
            return error?.description ?? ""
        }
        #expect(try failure { $0["mapping.fc0.weight"] = nil }.contains("mapping.fc0.weight"))
        #expect(try failure { $0["synthesis.b8.conv0.weight"] = nil }.contains("synthesis.b8.conv0.weight"))
        #expect(
            try failure { $0["synthesis.b16.conv1.affine.bias"] = .zeros([5]) }.contains(
                "synthesis.b16.conv1.affine.bias: expected [6], found [5] in g.safetensors"))
        #expect(try failure { $0["synthesis.b8.skip.weight"] = .zeros([8, 10, 1, 1]) }.contains("resnet"))
        #expect(try failure { $0["synthesis.b24.conv1.weight"] = .zeros([1]) }.contains("powers of two"))
        for offset in [
            StyleOffset(layer: "b32.conv0", channel: 0, amount: 1), .init(layer: "b8.conv1", channel: 8, amount: 1),
        ] {
            #expect(throws: WeightsError.self) { try model.check(offset) }
        }
        #expect(throws: (any Error).self) { try StyleGAN2.load(path: Fixtures.path("tiny-vae/config.json")) }
    }

    @Test func `files with the prefix of the generator's average load alike`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "g.safetensors").path
            let stored = try Fixtures.tensors("tiny-stylegan2/generator.safetensors")
            var prefixed = Dictionary(uniqueKeysWithValues: stored.map { ("G_ema." + $0.key, $0.value) })
            prefixed["D.b4.out.weight"] = .zeros([1])
            try writeSafetensors(prefixed, metadata: ["conv_clamp": "0.5"], to: path)
            let (clamped, _) = try StyleGAN2.load(path: path)
            #expect(clamped.configuration.clamp == 0.5)
            let latents = try Fixtures.require(golden, "input/latents")
            #expect(isBitEqual(clamped.styles(of: latents), model.styles(of: latents)))
            // Three colours of at most 0.5 are added up, after a filter that keeps the sum.
            #expect(clamped.pictures(of: try styles()).floats.allSatisfy { abs($0) < 4 })
            #expect(maximumDifference(clamped.pictures(of: try styles()), model.pictures(of: try styles())) > 0.1)
        }
    }
}
