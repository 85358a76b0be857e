import Foundation
import Imaging
import Layers
import Measurement
import TensorCore
import TestSupport
import Testing
import Weights
import World

@Suite struct ProbeTests {
    private let configuration = ProbeConfiguration(
        family: .portrait, imageSize: 32, channels: [8, 16, 16], normGroups: 4, summaryChannels: 4, features: 8)

    private func network() throws -> ProbeNetwork {
        try ProbeNetwork(configuration, weights: ScopedWeights(InitializingSource(seed: 1)))
    }

    @Test(arguments: SceneFamily.allCases)
    func `every trait of a sampled scene has a value in its range, and most are shown`(_ family: SceneFamily) {
        let sampler = SceneSampler(seed: 3, portraitShare: family == .portrait ? 1 : 0)
        let traits = Scene.traits(of: family)
        var shown = [Int](repeating: 0, count: traits.count)
        for index in 0..<400 {
            let scene = sampler.sample(index: index)
            #expect(scene.family == family)
            for (place, value) in scene.traitValues.enumerated() {
                guard let value else { continue }
                shown[place] += 1
                switch traits[place].kind {
                case .number(let low, let high): #expect((low...high).contains(value))
                case .circle(let period): #expect((0..<period).contains(value))
                case .choice(let classes): #expect(classes.indices.contains(Int(value)))
                }
            }
        }
        for (trait, count) in zip(traits, shown) { #expect(count > 40, "\(trait.name)") }
    }

    @Test func `distances on a circle go the short way`() {
        let hour = Trait(name: "hour", kind: .circle(period: 24))
        #expect(abs(hour.distance(23, 1) - 2.0 / 24) < 1e-12)
        #expect(Trait(name: "smile", kind: .number(low: -1, high: 1)).distance(-1, 1) == 1)
    }

    @Test func `the loss is zero for the truth and falls along its gradient`() throws {
        let scenes = (0..<6).map { SceneSampler(seed: 5, portraitShare: 1).sample(index: $0) }
        let traits = configuration.traits
        let width = traits.reduce(0) { $0 + $1.width }
        // The truth, with logits far apart.
        var answers: [Float] = []
        for scene in scenes {
            for (trait, value) in zip(traits, scene.traitValues) {
                switch trait.kind {
                case .number(let low, let high): answers.append(Float(((value ?? low) - low) / (high - low)))
                case .circle: answers += [0, 0]
                case .choice(let classes): answers += classes.indices.map { Double($0) == value ? 40 : 0 }
                }
            }
        }
        let loss = ProbeLoss(traits)
        let truth = Tensor(answers, shape: [scenes.count, width])
        #expect(loss(truth, scenes: scenes, family: .portrait).item < 1e-6)

        let wrong = Tensor.full(0.5, shape: [scenes.count, width]).tracked()
        let before = loss(wrong, scenes: scenes, family: .portrait)
        let gradient = try #require(gradients(of: before)[wrong])
        let after = loss(wrong.detached - 0.1 * gradient, scenes: scenes, family: .portrait)
        #expect(after.item < before.item)
        // Scenes of another family say nothing about the traits.
        #expect(loss(wrong, scenes: scenes, family: .landscape).item == 0)
    }

    @Test func `a probe reads the same from its folder, alone or in a batch`() throws {
        try inTemporaryFolder { folder in
            let source = InitializingSource(seed: 1)
            let probe = Probe(try ProbeNetwork(configuration, weights: ScopedWeights(source)))
            try writeSafetensors(source.tensors, to: folder.appending(path: "model.safetensors").path)
            try configuration.json().write(to: folder.appending(path: "config.json"))
            let loaded = try Probe(path: folder.path)
            let pictures = (0..<5).map { render(SceneSampler(seed: 1).sample(index: $0), size: 32) }
            let (first, second) = (try probe.read(pictures), try loaded.read(pictures, batch: 1))
            for (a, b) in zip(first, second) {
                #expect(zip(a.values, b.values).allSatisfy { abs($0 - $1) < 1e-4 })
                #expect(zip(a.features, b.features).allSatisfy { abs($0 - $1) < 1e-4 })
            }
            #expect(throws: MeasurementError.self) { try loaded.read([render(.portrait(Portrait()), size: 64)]) }
            #expect(throws: MeasurementError.self) { try Probe(path: folder.path + "/nothing") }
        }
    }

    @Test func `equal pictures have no perceptual distance, and more change gives more of it`() throws {
        let probe = Probe(try network())
        func portrait(_ age: Double) -> Image { render(.portrait(Portrait(age: age)), size: 32) }
        let distances = probe.perceptualDistances(
            [portrait(0.2), portrait(0.2), portrait(0.2)], [portrait(0.2), portrait(0.3), portrait(0.9)])
        #expect(distances[0] == 0)
        #expect(distances[1] > 0 && distances[2] > distances[1])
    }

    /// Specks that lie elsewhere are the same texture in another picture; larger ones are not.
    @Test func `a texture is the same wherever it lies`() throws {
        let probe = Probe(try network())
        func specks(_ size: Int, _ shift: Int) -> Image {
            let bytes = (0..<32 * 32).flatMap { place -> [UInt8] in
                let (x, y) = ((place % 32 + shift) % 32 / size, (place / 32 + shift) % 32 / size)
                let value = UInt8(truncatingIfNeeded: (x &* 73_856_093 ^ y &* 19_349_663) >> 3)
                return [value, value, value]
            }
            return Image(width: 32, height: 32, pixels: bytes)
        }
        let (a, b) = ([specks(1, 0), specks(1, 0), specks(1, 0)], [specks(1, 0), specks(1, 16), specks(8, 0)])
        let (textures, looks) = (probe.textureDistances(a, b), probe.perceptualDistances(a, b))
        #expect(textures[0] == 0 && looks[0] == 0)
        #expect(textures[1] < 0.5 * textures[2], "\(textures)")
        #expect(textures[1] / textures[2] < 0.6 * looks[1] / looks[2], "\(textures) \(looks)")
    }
}
