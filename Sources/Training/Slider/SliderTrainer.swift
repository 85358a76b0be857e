import Adapters
import Foundation
import Generation
import Imaging
import Layers
import Optimizers
import Samplers
import TensorCore

/// Trains the factors of a slider; the model stays as it is.
struct SliderTrainer: StageTrainer {
    static let name = "slider"

    private enum Objective: Sendable {
        case text(TextSliderObjective, DenoisingRuns)
        case visual(VisualSliderObjective)
    }

    private(set) var learner: Learner
    private let recipe: SliderRecipe
    private let model: StableDiffusion
    /// The adapter before any step: layers, ranks and scales.
    private let untrained: Adapter
    private let objective: Objective
    private var kept: KeptRuns

    /// - Parameter folder: where the recipe's relative paths start.
    init(recipe: SliderRecipe, model: StableDiffusion, folder: URL?) throws {
        self.recipe = recipe
        self.model = model
        var random = TorchGenerator(seed: recipe.seed)
        let modules = try recipe.network.target().modules(of: model.modules)
        guard !modules.isEmpty else {
            throw TrainingError.invalidRecipe(
                key: "network.training_method", expected: "a method that picks layers of the model",
                found: "\(recipe.network.trainingMethod), which picks none")
        }
        // Text sliders draw their first factors wider, as the original's two trainers do.
        let isVisual = recipe.pairs != nil
        untrained = Adapter.untrained(
            name: recipe.name, modules: modules, rank: recipe.network.rank, alpha: recipe.network.alpha,
            isXL: model.text.encoders.count > 1, random: &random
        ) { fanIn in ((isVisual ? 1 : 3) / Float(fanIn)).squareRoot() }
        if let pairs = recipe.pairs {
            objective = .visual(try VisualSliderObjective(pairs, model: model, folder: folder))
        } else {
            let text = TextSliderObjective(recipe, model: model)
            objective = .text(text, try DenoisingRuns(recipe, objective: text))
        }
        kept = KeptRuns(limit: recipe.training.runs.kept ?? 0)
        learner = Learner(
            parameters: untrained.parameters.mapValues { $0.converted(to: .float32) + 0 },
            recipe: recipe.training.optimizer, totalSteps: recipe.training.steps, random: random)
    }

    var totalSteps: Int { recipe.training.steps }

    mutating func restore(_ learner: Learner) { self.learner = learner }

    var extraState: [String: Tensor] { kept.tensors }

    mutating func restore(extra tensors: [String: Tensor]) { kept.restore(tensors) }

    mutating func trainStep() throws -> [String: Double] {
        let count = recipe.training.draws
        let draws = try draw(count)
        let step = try ShardedGradient(
            of: learner.parameters, batch: count, shards: count
        ) { [untrained, objective, model] rows, parameters in
            let adapter = untrained.replacing(parameters: parameters.tensors)
            let stack = try AdapterStack([StackEntry(adapter, isTrainable: true)], sites: model.sites)
            let draw = draws[rows.lowerBound]
            switch objective {
            case .text(let text, _): return .init(total: text.loss(draw, stack))
            case .visual(let visual): return .init(total: visual.loss(draw, stack))
            }
        }
        var values = step.values
        values["learning_rate"] = learner.learningRate
        values["gradient_norm"] = try learner.update(gradients: step.gradients)
        return values
    }

    /// The adapter as it is now, for passes without gradients.
    private func current() throws -> AdapterStack {
        let adapter = untrained.replacing(parameters: learner.parameters)
        return try AdapterStack([StackEntry(adapter, isTrainable: true)], sites: model.sites)
    }

    private mutating func draw(_ count: Int) throws -> [SliderDraw] {
        switch objective {
        case .visual(let visual): return (0..<count).map { _ in visual.draw(random: &learner.random) }
        case .text(let text, let runs):
            if kept.limit == 0 { return try freshDraws(count, text, runs) }
            try renew(text, runs)
            return (0..<count).map { _ in
                let run = kept.runs[learner.random.integers(below: kept.runs.count, count: 1)[0]]
                let k = 1 + learner.random.integers(below: runs.steps - 1, count: 1)[0]
                return SliderDraw(
                    entry: run.entry, latents: run.latents.selected(0, k), timestep: runs.timestep(after: k))
            }
        }
    }

    /// One run for each draw, stopped where the draw is.
    private mutating func freshDraws(
        _ count: Int, _ text: TextSliderObjective, _ runs: DenoisingRuns
    ) throws -> [SliderDraw] {
        let plans = (0..<count).map { _ -> (entry: Int, k: Int, noise: Tensor) in
            let entry = learner.random.integers(below: text.entries.count, count: 1)[0]
            let k = 1 + learner.random.integers(below: runs.steps - 1, count: 1)[0]
            let shape = runs.latentShape(entry, random: &learner.random)
            return (entry, k, learner.random.normal(shape))
        }
        let slider = try current()
        return try ComputeThread.shared.concurrently(count) { index in
            let plan = plans[index]
            let latents = runs.run(plan.entry, noise: plan.noise, count: plan.k, slider: slider)[plan.k]
            return SliderDraw(entry: plan.entry, latents: latents, timestep: runs.timestep(after: plan.k))
        }
    }

    /// Fills the kept runs at first, and makes some of them anew from time to time.
    private mutating func renew(_ text: TextSliderObjective, _ runs: DenoisingRuns) throws {
        let isDue = learner.step > 0 && learner.step % (recipe.training.runs.renewEvery ?? 4) == 0
        let missing = kept.runs.isEmpty ? kept.limit : isDue ? 1 : 0
        guard missing > 0 else { return }
        let plans = (0..<missing).map { _ -> (entry: Int, noise: Tensor) in
            let entry = learner.random.integers(below: text.entries.count, count: 1)[0]
            let shape = runs.latentShape(entry, random: &learner.random)
            return (entry, learner.random.normal(shape))
        }
        let slider = try current()
        let made = try ComputeThread.shared.concurrently(missing) { index in
            KeptRuns.Run(
                entry: plans[index].entry,
                latents: stacked(
                    runs.run(plans[index].entry, noise: plans[index].noise, count: runs.steps - 1, slider: slider)))
        }
        for run in made { kept.add(run) }
    }

    /// The slider as it would be written now.
    func adapter() -> Adapter { untrained.replacing(parameters: learner.average.parameters) }

    /// One row a prompt: the slider at -2, -1, 0, 1 and 2, from the same noise.
    func samplePicture() throws -> Image? {
        let slider = adapter()
        let prompts: [String]
        switch objective {
        case .text(let text, _): prompts = Array(Set(text.entries.map(\.prompt.target)).sorted().prefix(3))
        case .visual: prompts = [recipe.pairs?.neutral ?? ""]
        }
        let scales = [-2.0, -1, 0, 1, 2]
        let cells = prompts.flatMap { prompt in scales.map { (prompt, $0) } }
        let pictures = try ComputeThread.shared.concurrently(cells.count) { index -> Image in
            let (prompt, scale) = cells[index]
            let request = GenerationRequest(
                prompt: prompt, steps: 20, guidanceScale: 3, seed: recipe.seed, width: model.defaultSize,
                height: model.defaultSize)
            let stack = try AdapterStack([StackEntry(slider, weight: scale)], sites: model.sites)
            var denoising = try Denoising(request, model: model, pass: Pass(adaptation: stack))
            denoising.advanceToEnd()
            return denoising.picture()
        }
        return grid(of: pictures, columns: scales.count)
    }
}
