import Adapters
import Foundation
import Generation
import TensorCore
import TestSupport
import Testing
import Weights
import World

@testable import Measurement
@testable import Training

/// Early stops of sliders, with probes of random weights.
@Suite(.serialized) struct EffectWatchTests {
    private func writeProbes(_ folder: URL, side: Int) throws {
        for family in SceneFamily.allCases {
            let place = folder.appending(path: "\(family.rawValue)-a")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let configuration = ProbeConfiguration(
                family: family, imageSize: side, channels: [8, 16], normGroups: 4, summaryChannels: 2, features: 4)
            try JSONEncoder().encode(configuration).write(to: place.appending(path: "config.json"))
            let parameters = try ParameterSet(initializing: 1) { _ = try ProbeNetwork(configuration, weights: $0) }
            try writeSafetensors(parameters.tensors, to: place.appending(path: "model.safetensors").path)
        }
    }

    private func recipe(_ stop: SliderStop) -> SliderRecipe {
        var recipe = SliderRecipe(
            name: "age", model: "tiny",
            prompts: [
                SliderPrompt(
                    target: "a man", positive: "an old man", opposite: "a young man", guidanceScale: 4, resolution: 64)
            ], network: .init(rank: 2),
            training: .init(
                steps: 6, optimizer: OptimizerRecipe(learningRate: 0.05), runs: .init(steps: 3, kept: 1, renewEvery: 2),
                samplesEvery: 100, checkpointEvery: 1))
        recipe.trait = "age"
        recipe.training.stop = stop
        return recipe
    }

    private func train(_ recipe: SliderRecipe, _ output: URL, folder: URL, limit: Int? = nil) throws -> (URL?, Int) {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let steps = Counter()
        let context = TrainingContext(
            folder: output, report: { event in if case .step = event { steps.add() } },
            shouldStop: { limit.map { steps.count >= $0 } ?? false })
        let training = try SliderTraining(
            recipe: recipe, model: model, modelHash: "abc", context: context, recipeFolder: folder)
        return (try ComputeThread.shared.run { try training.run() }, steps.count)
    }

    @Test func `a training ends when its slider drifts, with the slider of the check before`() throws {
        try inTemporaryFolder { folder in
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
            try writeProbes(folder.appending(path: "probes"), side: model.defaultSize)
            // Nothing is borne: the first check ends it.
            let never = SliderStop(every: 2, pictures: 2, samplingSteps: 2, drift: 1e-9, probes: "probes")
            let (file, steps) = try train(recipe(never), folder.appending(path: "a"), folder: folder)
            #expect(steps == 2)
            let slider = try Adapter(path: #require(file).path, modules: model.modules)
            #expect(slider.sliderNote?.steps == 2 && slider.sliderNote?.trait == "age")
            // Done is done: the same line again does no step.
            #expect(try train(recipe(never), folder.appending(path: "a"), folder: folder).1 == 0)
        }
    }

    @Test func `a stopped training with checks ends in the same bytes as one that ran through`() throws {
        try inTemporaryFolder { folder in
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
            try writeProbes(folder.appending(path: "probes"), side: model.defaultSize)
            // An effect never grows by the whole range: two checks without it end the training.
            let stop = SliderStop(every: 1, pictures: 2, samplingSteps: 2, growth: 1, patience: 2, probes: "probes")
            let (whole, steps) = try train(recipe(stop), folder.appending(path: "a"), folder: folder)
            #expect(steps == 3)
            _ = try train(recipe(stop), folder.appending(path: "b"), folder: folder, limit: 1)
            _ = try train(recipe(stop), folder.appending(path: "b"), folder: folder, limit: 1)
            let (again, _) = try train(recipe(stop), folder.appending(path: "b"), folder: folder)
            #expect(try Data(contentsOf: #require(whole)) == Data(contentsOf: #require(again)))
        }
    }
}
