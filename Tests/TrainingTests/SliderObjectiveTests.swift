import Adapters
import DiffusionModels
import Foundation
import Generation
import Layers
import Samplers
import TensorCore
import TestSupport
import Testing
import Weights

@testable import Training

/// One training step beside PyTorch with diffusers' models and a LoRA written by hand: losses and gradients to 1e-4.
@Suite struct SliderObjectiveTests {
    static let families = ["tiny-sd", "tiny-sdxl"]

    /// A family's model, the golden step, and the adapter whose tensors are leaves.
    private struct Step {
        let model: StableDiffusion
        let golden: [String: Tensor]
        let facts: [String: String]
        let adapter: Adapter
        let leaves: [String: Tensor]
        let slider: AdapterStack

        init(_ family: String, on backend: any Backend = CPUBackend.shared) throws {
            model = try StableDiffusion(ModelFolder(path: Fixtures.path(family)), device: backend)
            golden = try Fixtures.tensors("sliders/\(family).safetensors")
            facts = try Fixtures.metadata("sliders/\(family).safetensors")
            let factors = tensors(golden, under: "factors/")
            let file = FileManager.default.temporaryDirectory.appending(path: "slider-\(UUID().uuidString).safetensors")
            defer { try? FileManager.default.removeItem(at: file) }
            try writeSafetensors(factors, to: file.path)
            let stored = try Adapter(path: file.path, modules: model.modules)
            leaves = stored.parameters.mapValues {
                ($0.converted(to: .float32) + 0).moved(to: backend).tracked()
            }
            adapter = stored.replacing(parameters: leaves)
            slider = try AdapterStack([StackEntry(adapter, isTrainable: true)], sites: model.sites)
        }

        func tensor(_ name: String) throws -> Tensor { try Fixtures.require(golden, name) }

        var prompt: SliderPrompt {
            SliderPrompt(
                target: facts["target"] ?? "", positive: facts["positive"] ?? "", opposite: facts["opposite"] ?? "",
                neutral: facts["neutral"], guidanceScale: Double(facts["guidance"] ?? "") ?? 0)
        }

        func recipe(_ directions: SliderRecipe.Stage.Directions) -> SliderRecipe {
            SliderRecipe(
                name: "test", model: "", prompts: [prompt],
                training: .init(steps: 1, optimizer: OptimizerRecipe(learningRate: 1), directions: directions))
        }

        var timestep: Float { Float(facts["timestep"] ?? "") ?? 0 }

        /// Relative differences of the loss and of each gradient.
        func check(_ loss: Tensor, _ name: String) throws {
            #expect(relativeL2(loss, try tensor("\(name)/loss")) < 1e-4)
            let found = gradients(of: loss)
            let norms = tensors(golden, under: "\(name)/gradient/").values.map(l2Norm)
            // What is zero but for rounding (a shift before a norm) has no relative error.
            let floor = (norms.max() ?? 0) * 1e-2
            #expect(leaves.count >= 8)
            for (path, leaf) in leaves {
                // `unet.mid_block....lora_up.weight` is `lora_unet_mid_block_....lora_up.weight` in the file.
                let parts = path.components(separatedBy: ".lora_")
                let key = "lora_" + parts[0].replacing(".", with: "_") + ".lora_" + parts[1]
                let expected = try tensor("\(name)/gradient/\(key)")
                let gradient = try #require(found[leaf], "\(path)")
                #expect(
                    relativeL2(gradient.reshaped(expected.shape), expected, floor: floor) < 1e-4, "\(name) \(path)")
            }
        }
    }

    @Test(arguments: families, TestedBackend.all)
    func `a text step is PyTorch's`(_ family: String, _ tested: TestedBackend) throws {
        let step = try Step(family, on: tested.backend)
        let draw = SliderDraw(entry: 0, latents: try step.tensor("latents"), timestep: step.timestep)
        let objective = TextSliderObjective(step.recipe(.positive), model: step.model)
        try step.check(objective.loss(draw, step.slider), "text")
        let both = TextSliderObjective(step.recipe(.both), model: step.model)
        #expect(relativeL2(both.loss(draw, step.slider), try step.tensor("both/loss")) < 1e-4)
    }

    @Test(arguments: families, TestedBackend.all)
    func `a visual step is PyTorch's`(_ family: String, _ tested: TestedBackend) throws {
        let step = try Step(family, on: tested.backend)
        let scale = try #require(Double(step.facts["scale"] ?? ""))
        let pair = VisualSliderObjective.Pair(
            scale: scale, high: try step.tensor("high"), low: try step.tensor("low"))
        let objective = try VisualSliderObjective(
            [pair], positive: step.prompt.positive, neutral: step.prompt.neutral, model: step.model)
        let draw = objective.draw(0, timestep: Int(step.timestep), noise: try step.tensor("noise"))
        try step.check(objective.loss(draw, step.slider), "visual")
    }

    @Test func `upstream's timestep is 19 too high after every step`() throws {
        let step = try Step("tiny-sd")
        var recipe = step.recipe(.positive)
        let plain = try DenoisingRuns(recipe, objective: TextSliderObjective(recipe, model: step.model))
        recipe.training.parity = .upstream
        let upstream = try DenoisingRuns(recipe, objective: TextSliderObjective(recipe, model: step.model))
        #expect((1..<50).map { upstream.timestep(after: $0) } == (1..<50).map { Float(999 - 20 * $0) })
        // The scheduler of the folder has an offset of 1; the corrected timestep is the one that the latents have.
        #expect((1..<50).map { plain.timestep(after: $0) } == (1..<50).map { Float(981 - 20 * $0) })
    }

    @Test func `a slider with a start learns only from there on`() throws {
        let step = try Step("tiny-sd")
        var recipe = step.recipe(.positive)
        let plain = try DenoisingRuns(recipe, objective: TextSliderObjective(recipe, model: step.model))
        recipe.start = 0.5
        let late = try DenoisingRuns(recipe, objective: TextSliderObjective(recipe, model: step.model))
        #expect(plain.firstStep == 1 && late.firstStep == 25)
        #expect(late.timestep(after: 25) <= 500 && late.timestep(after: 24) > 500)
        let pair = VisualSliderObjective.Pair(scale: 1, high: try step.tensor("high"), low: try step.tensor("low"))
        let visual = try VisualSliderObjective([pair], positive: "", neutral: "", model: step.model, start: 0.25)
        var random = TorchGenerator(seed: 2)
        let timesteps = (0..<64).map { _ in visual.draw(random: &random).timestep }
        #expect(timesteps.allSatisfy { $0 < 250 } && timesteps.contains { $0 > 200 })
    }
}
