import Adapters
import Foundation
import Generation
import Recipes
import Synchronization
import TensorCore
import TestSupport
import Testing

@testable import Training

/// Sliders of a few steps on a tiny model: they resume exactly, say what they are, and read the original's files.
@Suite(.serialized) struct SliderTrainingTests {
    private func recipe(kept: Int?) -> SliderRecipe {
        SliderRecipe(
            name: "age", model: "tiny",
            prompts: [
                SliderPrompt(
                    target: "a man", positive: "an old man", opposite: "a young man", guidanceScale: 2, resolution: 64)
            ], network: .init(rank: 2),
            training: .init(
                steps: 4, draws: 2, optimizer: OptimizerRecipe(learningRate: 0.01),
                runs: .init(steps: 4, kept: kept, renewEvery: 2), directions: .both, samplesEvery: 100,
                checkpointEvery: 2))
    }

    /// Trains into a folder, stopping after `limit` steps when it is given.
    private func train(_ recipe: SliderRecipe, _ folder: URL, limit: Int? = nil) throws -> Data? {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let steps = Counter()
        let context = TrainingContext(
            folder: folder, report: { event in if case .step = event { steps.add() } },
            shouldStop: { limit.map { steps.count >= $0 } ?? false })
        let training = try SliderTraining(recipe: recipe, model: model, modelHash: "abc", context: context)
        return try ComputeThread.shared.run { try training.run() }.map { try Data(contentsOf: $0) }
    }

    @Test(arguments: [nil, 2]) func `a stopped slider ends in the same bytes as one that ran through`(_ kept: Int?)
        throws
    {
        try inTemporaryFolder { folder in
            let (whole, stopped) = (folder.appending(path: "a"), folder.appending(path: "b"))
            let bytes = try #require(try train(recipe(kept: kept), whole))
            #expect(try train(recipe(kept: kept), stopped, limit: 1) == nil)
            #expect(try train(recipe(kept: kept), stopped, limit: 2) == nil)
            #expect(try train(recipe(kept: kept), stopped) == bytes)
        }
    }

    @Test func `a slider's file says what it is, and changes the model`() throws {
        try inTemporaryFolder { folder in
            _ = try train(recipe(kept: 2), folder)
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
            let slider = try Adapter(path: folder.appending(path: "age.safetensors").path, modules: model.modules)
            #expect(
                slider.sliderNote?.name == "age" && slider.sliderNote?.base == "abc" && slider.sliderNote?.steps == 4)
            #expect(slider.metadata["atelier.recipe"]?.contains("an old man") == true)
            #expect(slider.layers.keys.allSatisfy { !$0.contains("attn2") } && slider.layers.count > 10)
            #expect(slider.parameters.contains { $0.key.hasSuffix("lora_up.weight") && l2Norm($0.value) > 0 })
        }
    }

    @Test func `the original's configuration and prompts load as they are`() throws {
        try inTemporaryFolder { folder in
            try Data(
                """
                prompts_file: prompts.yaml
                pretrained_model: {name_or_path: CompVis/stable-diffusion-v1-4, v2: false, v_pred: false}
                network: {type: c3lier, rank: 4, alpha: 1.0, training_method: noxattn}
                train: {precision: bfloat16, noise_scheduler: ddim, iterations: 1000, lr: 0.0002, optimizer: AdamW, lr_scheduler: constant, max_denoising_steps: 50}
                save: {name: temp, path: ./models, per_steps: 500, precision: bfloat16}
                logging: {use_wandb: false, verbose: false}
                other: {use_xformers: true}
                """.utf8
            ).write(to: folder.appending(path: "config.yaml"))
            try Data(
                """
                - target: "male person"
                  positive: "male person, very old"
                  unconditional: "male person, very young"
                  neutral: "male person"
                  action: "enhance"
                  guidance: 4
                  rank: 4
                  dynamic_resolution: false
                - target: "person"
                """.utf8
            ).write(to: folder.appending(path: "prompts.yaml"))
            let read = try decodeRecipe(
                OfficialSliderConfiguration.self, at: folder.appending(path: "config.yaml").path)
            let recipe = try read.recipe(relativeTo: folder)
            try recipe.validate()
            let prompts = try #require(recipe.prompts)
            #expect(prompts[0].guidanceScale == 4 && prompts[0].action == .enhance && prompts[0].resolution == 512)
            // What is missing follows the original.
            #expect(prompts[1].positive == "person" && prompts[1].opposite == "" && prompts[1].neutral == "")
            #expect(prompts[1].action == .erase && prompts[1].guidanceScale == 1)
            #expect(recipe.name == "temp" && recipe.training.steps == 1000 && recipe.training.runs?.steps == 50)
            #expect(recipe.training.runs?.kept == nil && recipe.training.directions == .positive)
        }
    }

    @Test func `what cannot be trained is refused by its key`() throws {
        var both = recipe(kept: nil)
        both.pairs = .init(levels: [.init(folder: "a", scale: 1), .init(folder: "b", scale: -1)])
        var unpaired = both
        unpaired.prompts = nil
        unpaired.pairs?.levels?[1].scale = -2
        var method = recipe(kept: nil)
        method.network.trainingMethod = "everything"
        for (wrong, key) in [(both, "prompts"), (unpaired, "pairs.levels"), (method, "network.training_method")] {
            let error = #expect(throws: TrainingError.self) { try wrong.validate() }
            #expect(error?.description.contains("`\(key)`") == true)
        }
    }

    @Test func `folders whose names do not match are refused by the name`() throws {
        try inTemporaryFolder { folder in
            for (level, names) in ["high": ["a", "b"], "low": ["a"]] {
                let path = folder.appending(path: level)
                try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
                for name in names { try Data().write(to: path.appending(path: name + ".png")) }
            }
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
            let pairs = SliderRecipe.Pairs(
                levels: [.init(folder: "high", scale: 1), .init(folder: "low", scale: -1)])
            let error = #expect(throws: TrainingError.self) {
                try VisualSliderObjective(pairs, model: model, folder: folder)
            }
            #expect(error?.description.contains("b in one of them only") == true)
        }
    }
}
