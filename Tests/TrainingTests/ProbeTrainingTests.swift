import DiffusionModels
import Foundation
import Layers
import Measurement
import Recipes
import TensorCore
import TestSupport
import Testing
import Weights
import World

@testable import Training

/// A training of a few steps of a very small probe.
@Suite(.serialized) struct ProbeTrainingTests {
    private static let yaml = """
        name: tiny
        seed: 3
        data: {seed: 1, count: 40, balanced: weather, held_out_seed: 2, held_out_count: 8, autoencoder: mini, round_trips: 5}
        probe:
          family: landscape
          image_size: 32
          channels: [8, 16]
          layers_per_block: [1, 2]
          norm_num_groups: 4
          summary_channels: 4
          features: 8
        training:
          steps: 6
          batch: 4
          optimizer: {learning_rate: 0.002, warmup_steps: 1, weight_decay: 0.01, beta2: 0.99, clip_norm: 1.0, ema_decay: 0.9}
          checkpoint_every: 2
        """

    private func train(_ folder: URL, stoppingAfter limit: Int? = nil) throws -> URL? {
        let steps = Counter()
        let context = TrainingContext(
            folder: folder,
            report: { event in if case .step(stage: "probe", _, _, _, _) = event { steps.add() } },
            shouldStop: { limit.map { steps.count >= $0 } ?? false })
        var shape = AutoencoderKLConfiguration()
        shape.downBlockTypes = ["DownEncoderBlock2D", "DownEncoderBlock2D"]
        shape.upBlockTypes = ["UpDecoderBlock2D", "UpDecoderBlock2D"]
        (shape.blockOutChannels, shape.normGroups) = ([8, 16], 4)
        let autoencoder = try AutoencoderKL(shape, weights: ScopedWeights(InitializingSource(seed: 1)))
        let training = try ProbeTraining(
            recipe: decodeRecipe(ProbeRecipe.self, yaml: Self.yaml), autoencoder: autoencoder, autoencoderHash: "none",
            context: context)
        return try training.run()
    }

    @Test func `a stopped training ends in the same bytes, and the probe reads pictures`() throws {
        try inTemporaryFolder { folder in
            let (whole, stopped) = (folder.appending(path: "whole"), folder.appending(path: "stopped"))
            // In one piece, for other tests change the number of threads.
            let (probe, resumed) = try ComputeThread.shared.run {
                let probe = try train(whole)
                #expect(try train(stopped, stoppingAfter: 3) == nil)
                return (try #require(probe), try #require(try train(stopped)))
            }
            for file in ["model.safetensors", "config.json", "errors.json"] {
                let (a, b) = (
                    try Data(contentsOf: probe.appending(path: file)),
                    try Data(contentsOf: resumed.appending(path: file))
                )
                #expect(a == b, "\(file)")
            }
            let network = try Probe(path: probe.path)
            #expect(network.configuration.layersPerBlock == [1, 2])
            #expect(network.network(.zeros([1, 3, 32, 32])).maps.map(\.shape) == [[1, 8, 16, 16], [1, 16, 8, 8]])
            let errors = try JSONDecoder().decode(
                ProbeErrors.self, from: Data(contentsOf: probe.appending(path: "errors.json")))
            #expect(errors.renders.pictures == 8 && errors.roundTrips.pictures == 8)
        }
    }

    @Test func `classes that take turns come equally often, each scene once`() throws {
        let place = try #require(Scene.traits(of: .landscape).firstIndex { $0.name == "weather" })
        let scenes = FamilyScenes(.landscape, seed: 4, balanced: "weather")
        let shown = (0..<200).map(scenes.scene)
        let counts = Dictionary(grouping: shown) { $0.traitValues[place] }.mapValues(\.count)
        #expect(counts.count == Landscape.Weather.allCases.count)
        #expect(counts.values.allSatisfy { $0 == 40 }, "\(counts)")
        #expect(Set(shown).count == shown.count)
        #expect(scenes.scene(17) == shown[17])
        let plain = FamilyScenes(.landscape, seed: 4)
        #expect(plain.scene(3) == SceneSampler(seed: 4, portraitShare: 0).sample(index: 3))
    }

    @Test(arguments: [
        ("balanced: weather", "balanced: trees", "data.balanced"), ("[1, 2]", "[1]", "layers_per_block"),
        ("[1, 2]", "[1, 99]", "layers_per_block"), ("steps: 6", "steps: 0", "training.steps"),
    ])
    func `a recipe that cannot work is refused by its key`(_ old: String, _ new: String, _ key: String) throws {
        let text = Self.yaml.replacing(old, with: new)
        #expect(text != Self.yaml)
        let recipe = try decodeRecipe(ProbeRecipe.self, yaml: text)
        let error = #expect(throws: (any Error).self) { try recipe.validate() }
        #expect("\(error as Any)".contains(key), "\(error as Any)")
    }
}
