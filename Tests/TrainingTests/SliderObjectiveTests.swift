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
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path(family)), device: backend)
            golden = try Fixtures.tensors("sliders/\(family).safetensors")
            facts = try Fixtures.metadata("sliders/\(family).safetensors")
            let factors = tensors(golden, under: "factors/")
            let (leaves, adapter) = try inTemporaryFolder { folder -> ([String: Tensor], Adapter) in
                let path = folder.appending(path: "factors.safetensors").path
                try writeSafetensors(factors, to: path)
                let stored = try Adapter(path: path, modules: model.modules)
                let tracked = stored.parameters.mapValues {
                    ($0.converted(to: .float32) + 0).moved(to: backend).tracked()
                }
                return (tracked, stored.replacing(parameters: tracked))
            }
            slider = try AdapterStack([StackEntry(adapter, isTrainable: true)], sites: model.sites)
            (self.model, self.leaves, self.adapter) = (model, leaves, adapter)
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

    /// `e₊` and `e₋` are asked for half of the difference of what the frozen model misses of the two pictures; all of it
    /// written out here number by number, and the targets put in as constants.
    @Test(arguments: families)
    func `a difference step is its formula, and its targets are constants`(_ family: String) throws {
        let step = try Step(family)
        let (scale, time) = (try #require(Double(step.facts["scale"] ?? "")), Int(step.timestep))
        let pair = VisualSliderObjective.Pair(
            scale: scale, high: try step.tensor("high"), low: try step.tensor("low"))
        let noise = try step.tensor("noise")
        let (high, low, eps) = (pair.high.floats, pair.low.floats, noise.floats)
        let objective = try VisualSliderObjective(
            [pair], positive: step.prompt.positive, neutral: step.prompt.neutral, model: step.model, kind: .difference)
        let loss = objective.loss(objective.draw(0, timestep: time, noise: noise), step.slider)

        let betas = (0..<1000).map { index -> Double in
            let root = 0.00085.squareRoot() + Double(index) / 999 * (0.012.squareRoot() - 0.00085.squareRoot())
            return root * root
        }
        let alpha = betas[...time].reduce(1) { $0 * (1 - $1) }
        let (signal, sigma) = (Float(alpha.squareRoot()), Float((1 - alpha).squareRoot()))
        func noisy(_ clean: [Float]) -> Tensor {
            Tensor(zip(clean, eps).map { signal * $0 + sigma * $1 }, shape: noise.shape)
        }
        func predicted(_ latents: Tensor, _ text: String, _ pass: Pass) -> Tensor {
            step.model.predictions(latents, timestep: step.timestep, texts: [step.model.text(text)], pass)[0]
        }
        let sides = [
            (noisy(high), step.prompt.positive, scale), (noisy(low), step.prompt.neutral, -scale),
        ]
        let plain = sides.map { predicted($0.0, $0.1, Pass()).floats }
        // The model predicts noise, which is the same in both, so what it misses differs as its predictions do.
        let half = zip(plain[0], plain[1]).map { (($1 - $0)) / 2 }
        let targets = [zip(plain[0], half).map { $0 + $1 }, zip(plain[1], half).map { $0 - $1 }]
        let parts = zip(sides, targets).map { side, target -> Tensor in
            let moved = predicted(side.0, side.1, Pass(adaptation: step.slider.scaled(side.2)))
            return meanSquaredError(moved, Tensor(target, shape: noise.shape))
        }
        let expected = parts[0] + parts[1]
        #expect(relativeL2(loss, expected) < 1e-4)
        let (found, wanted) = (gradients(of: loss), gradients(of: expected))
        let norms = step.leaves.values.compactMap { wanted[$0].map(l2Norm) }
        let floor = (norms.max() ?? 0) * 1e-2
        #expect(norms.count == step.leaves.count && floor > 0)
        for (path, leaf) in step.leaves {
            let (one, other) = (try #require(found[leaf]), try #require(wanted[leaf]))
            #expect(relativeL2(one, other, floor: floor) < 1e-4, "\(path)")
        }
    }

    @Test func `two equal pictures teach nothing by their difference, and a lot as pictures`() throws {
        let step = try Step("tiny-sd")
        let picture = try step.tensor("high")
        let pair = VisualSliderObjective.Pair(scale: 1, high: picture, low: picture)
        // A slider that changes nothing yet, and so has nothing to unlearn.
        var parameters = step.leaves
        for (key, leaf) in step.leaves where key.hasSuffix("lora_up.weight") {
            parameters[key] = Tensor.zeros(leaf.shape).tracked()
        }
        let blank = step.adapter.replacing(parameters: parameters)
        let slider = try AdapterStack([StackEntry(blank, isTrainable: true)], sites: step.model.sites)
        for (kind, teaches) in [(SliderRecipe.Pairs.Objective.difference, false), (.pictures, true)] {
            let objective = try VisualSliderObjective([pair], positive: "", neutral: "", model: step.model, kind: kind)
            let draw = objective.draw(0, timestep: 601, noise: try step.tensor("noise"))
            let loss = objective.loss(draw, slider).item
            #expect(teaches ? loss > 0.01 : loss < 1e-9, "\(kind): \(loss)")
        }
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
