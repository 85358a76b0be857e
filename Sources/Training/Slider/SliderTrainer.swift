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
    private let factors: SliderFactors
    private let objective: Objective
    private var kept: KeptRuns
    private var watch: EffectWatch?

    /// - Parameters:
    ///   - folder: where the recipe's relative paths start.
    ///   - probes: the folder of the probes for a recipe that measures and names none.
    init(recipe: SliderRecipe, model: StableDiffusion, folder: URL?, probes: URL? = nil) throws {
        self.recipe = recipe
        self.model = model
        var random = TorchGenerator(seed: recipe.seed)
        factors = try SliderFactors(recipe, model: model, folder: folder, random: &random)
        if let pairs = recipe.pairs {
            objective = .visual(
                try VisualSliderObjective(
                    pairs, model: model, folder: folder, start: recipe.start ?? 1,
                    checkpointing: .ofAdapters(runningBlocksAgain: recipe.training.checkpointsBlocks)))
        } else {
            let text = TextSliderObjective(recipe, model: model)
            objective = .text(text, try DenoisingRuns(recipe, objective: text))
        }
        kept = KeptRuns(limit: recipe.training.runs?.kept ?? 0)
        if let stop = recipe.training.stop, let trait = recipe.trait {
            let named = stop.probes.map { $0.hasPrefix("/") ? $0 : folder?.appending(path: $0).path ?? $0 }
            guard let path = named ?? probes?.path else {
                throw TrainingError.invalidRecipe(
                    key: "training.stop.probes", expected: "the folder of the probes", found: "none")
            }
            watch = try EffectWatch(stop, trait: trait, probes: path, model: model)
        }
        learner = Learner(
            parameters: factors.untrained.parameters.mapValues { $0.converted(to: .float32) + 0 },
            recipe: recipe.training.optimizer, totalSteps: recipe.training.steps, random: random)
    }

    var totalSteps: Int { recipe.training.steps }

    mutating func restore(_ learner: Learner) { self.learner = learner }

    var extraState: [String: Tensor] { kept.tensors.merging(watch?.tensors ?? [:]) { first, _ in first } }

    mutating func restore(extra tensors: [String: Tensor]) {
        kept.restore(tensors)
        watch?.restore(tensors)
    }

    var stopReason: String? { watch?.sentence }

    mutating func trainStep() throws -> [String: Double] {
        let count = recipe.training.draws
        let draws = try draw(count)
        let step = try ShardedGradient(
            of: learner.parameters, batch: count, shards: count
        ) { [factors, objective, model] rows, parameters in
            let adapter = factors.untrained.replacing(parameters: parameters.tensors)
            let stack = try factors.stack(of: adapter, sites: model.sites, isTrainable: true)
            let draw = draws[rows.lowerBound]
            switch objective {
            case .text(let text, _): return .init(total: text.loss(draw, stack))
            case .visual(let visual): return .init(total: visual.loss(draw, stack))
            }
        }
        var values = step.values
        values["learning_rate"] = learner.learningRate
        values["gradient_norm"] = try learner.update(
            gradients: step.gradients, constraint: factors.projected)
        if watch?.isDue(learner.step) ?? false {
            let parameters = learner.average.parameters
            let stack = try factors.stack(
                of: factors.untrained.replacing(parameters: parameters), sites: model.sites, isTrainable: false)
            values.merge(try watch?.check(step: learner.step, stack, parameters: parameters) ?? [:]) { _, new in new }
        }
        return values
    }

    /// The slider as it is now with its stack, for passes without gradients.
    private func current() throws -> AdapterStack {
        let adapter = factors.untrained.replacing(parameters: learner.parameters)
        return try factors.stack(of: adapter, sites: model.sites, isTrainable: true)
    }

    private mutating func draw(_ count: Int) throws -> [SliderDraw] {
        switch objective {
        case .visual(let visual): return (0..<count).map { _ in visual.draw(random: &learner.random) }
        case .text(let text, let runs):
            if kept.limit == 0 { return try freshDraws(count, text, runs) }
            try renew(text, runs)
            return (0..<count).map { _ in
                let run = kept.runs[learner.random.integers(below: kept.runs.count, count: 1)[0]]
                let k = runs.firstStep + learner.random.integers(below: runs.steps - runs.firstStep, count: 1)[0]
                return SliderDraw(
                    entry: run.entry, latents: run.latents.selected(0, k), timestep: runs.timestep(after: k),
                    origin: run.origin)
            }
        }
    }

    /// One run for each draw, stopped where the draw is.
    private mutating func freshDraws(
        _ count: Int, _ text: TextSliderObjective, _ runs: DenoisingRuns
    ) throws -> [SliderDraw] {
        let plans = (0..<count).map { _ -> (entry: Int, k: Int, noise: Tensor, origin: PictureOrigin?) in
            let entry = learner.random.integers(below: text.entries.count, count: 1)[0]
            let k = runs.firstStep + learner.random.integers(below: runs.steps - runs.firstStep, count: 1)[0]
            let shape = runs.latentShape(entry, random: &learner.random)
            let noise = learner.random.normal(shape)
            return (entry, k, noise, runs.cut(entry, latents: shape, random: &learner.random))
        }
        let slider = try current()
        return try ComputeThread.shared.concurrently(count) { index in
            let plan = plans[index]
            let latents = runs.run(
                plan.entry, noise: plan.noise, count: plan.k, slider: slider, origin: plan.origin)[plan.k]
            return SliderDraw(
                entry: plan.entry, latents: latents, timestep: runs.timestep(after: plan.k), origin: plan.origin)
        }
    }

    /// Fills the kept runs at first, and makes some of them anew from time to time.
    private mutating func renew(_ text: TextSliderObjective, _ runs: DenoisingRuns) throws {
        let isDue = learner.step > 0 && learner.step % (recipe.training.runs?.renewEvery ?? 4) == 0
        let missing = kept.runs.isEmpty ? kept.limit : isDue ? 1 : 0
        guard missing > 0 else { return }
        let plans = (0..<missing).map { _ -> (entry: Int, noise: Tensor, origin: PictureOrigin?) in
            let entry = learner.random.integers(below: text.entries.count, count: 1)[0]
            let shape = runs.latentShape(entry, random: &learner.random)
            let noise = learner.random.normal(shape)
            return (entry, noise, runs.cut(entry, latents: shape, random: &learner.random))
        }
        let slider = try current()
        let made = try ComputeThread.shared.concurrently(missing) { index in
            let plan = plans[index]
            let latents = runs.run(
                plan.entry, noise: plan.noise, count: runs.steps - 1, slider: slider, origin: plan.origin)
            return KeptRuns.Run(entry: plan.entry, latents: stacked(latents), origin: plan.origin)
        }
        for run in made { kept.add(run) }
    }

    /// The slider as it would be written now.
    func adapter() -> Adapter {
        let hasDrifted = watch?.reason == .drifted
        let good = hasDrifted ? watch?.good ?? [:] : [:]
        return factors.untrained.replacing(parameters: good.isEmpty ? learner.average.parameters : good)
    }

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
            let stack = try factors.stack(of: slider, sites: model.sites, isTrainable: false).scaled(scale)
            var denoising = try Denoising(request, model: model, pass: Pass(adaptation: stack))
            denoising.advanceToEnd()
            return try denoising.picture()
        }
        return grid(of: pictures, columns: scales.count)
    }
}
