import Adapters
import DiffusionModels
import Generation
import Layers
import Samplers
import TensorCore

/// The latents that text sliders learn at: those of denoising runs under the slider as it is.
///
/// A run takes DDIM steps from noise with guidance, the target prompt against the opposite one, the slider at scale 1.
/// After `k` steps its latents have the noise of the schedule's `k`-th timestep.
/// Follows `train_util.diffusion` of rohitgandikota/sliders; kept runs are ours.
struct DenoisingRuns: Sendable {
    let objective: TextSliderObjective
    let steps: Int
    let guidanceScale: Double
    let parity: SliderRecipe.Stage.Parity
    private let sampler: Sampler

    init(_ recipe: SliderRecipe, objective: TextSliderObjective) throws {
        self.objective = objective
        let stage = recipe.training
        let runs = stage.runs ?? .init()
        steps = runs.steps
        guidanceScale = runs.guidanceScale
        parity = stage.parity ?? .none
        var configuration = objective.model.scheduler
        if parity == .upstream {
            configuration.timestepSpacing = .leading
            configuration.stepsOffset = 0
            configuration.setsAlphaToOne = true
            configuration.clipsSample = false
        }
        sampler = try Sampler(named: "ddim", configuration: configuration, steps: steps)
        let start = (recipe.start ?? 1) * Double(configuration.trainTimesteps)
        let first = sampler.evaluations.firstIndex { Double($0.timestep) <= start } ?? steps - 1
        firstStep = min(max(first, 1), steps - 1)
    }

    /// The steps after which a slider can learn: at least one, and as many as its start is later than pure noise.
    let firstStep: Int

    /// The timestep that the network is told at latents after `k` steps.
    ///
    /// The original looks `k` up in a schedule of 1000 steps, which gives the timestep 19 too high for 50 steps.
    func timestep(after k: Int) -> Float {
        guard parity == .upstream else { return sampler.evaluations[k].timestep }
        let trained = sampler.schedule.trainTimesteps
        return Float(trained - 1 - k * trained / steps)
    }

    /// The latents after each of `count` steps, the noise first.
    func run(
        _ entry: Int, noise: Tensor, count: Int, slider: AdapterStack, origin: PictureOrigin? = nil
    ) -> [Tensor] {
        var sampler = sampler
        var random = TorchGenerator(seed: 0)
        let prompts = objective.entries[entry].texts
        let pass = Pass(adaptation: slider)
        var latents = noise * Double(sampler.initialNoiseScale)
        var all = [latents]
        for index in 0..<count {
            let input = sampler.modelInput(latents, at: index)
            let timestep = sampler.evaluations[index].timestep
            let rows = objective.model.predictions(
                input, timestep: timestep, texts: [prompts.opposite, prompts.target], pass, origin: origin)
            let guided = rows[0] + guidanceScale * (rows[1] - rows[0])
            latents = sampler.step(guided, latents: latents, at: index, random: &random).detached
            all.append(latents)
        }
        return all
    }

    /// The sides that a dynamic resolution draws from, in steps of 64 pixels: from its half to 64 below it.
    ///
    /// Follows `prompt_util.get_random_resolution_in_bucket`, whose upper end is open; a side is at least 64.
    static func dynamicSides(_ resolution: Int) -> Range<Int> {
        let low = max(resolution / 2 / 64, 1)
        return low..<max(resolution / 64, low + 1)
    }

    /// What a model that reads sizes is told of an entry's pictures: nil for the whole picture in its own size.
    ///
    /// A dynamic crop is cut out of a picture 1 to 3 times as large, at a random place, as in
    /// `train_util.get_add_time_ids`.
    func cut(_ entry: Int, latents shape: [Int], random: inout TorchGenerator) -> PictureOrigin? {
        let model = objective.model
        guard objective.entries[entry].prompt.dynamicCrops, model.readsSizes else { return nil }
        let (height, width) = (shape[2] * model.latentFactor, shape[3] * model.latentFactor)
        let factor = 1 + 2 * Double(random.uniform([1]).floats[0])
        let (fullHeight, fullWidth) = (Int(Double(height) * factor), Int(Double(width) * factor))
        return PictureOrigin(
            width: fullWidth, height: fullHeight,
            top: random.integers(below: fullHeight - height + 1, count: 1)[0],
            left: random.integers(below: fullWidth - width + 1, count: 1)[0])
    }

    /// Height and width of the latents of an entry, drawn where its resolution is dynamic.
    func latentShape(_ entry: Int, random: inout TorchGenerator) -> [Int] {
        let model = objective.model
        let prompt = objective.entries[entry].prompt
        let resolution = prompt.resolution ?? model.defaultSize
        var sides = [resolution, resolution]
        if prompt.dynamicResolution {
            let steps = Self.dynamicSides(resolution)
            sides = sides.map { _ in 64 * (steps.lowerBound + random.integers(below: steps.count, count: 1)[0]) }
        }
        let channels = model.autoencoder.configuration.latentChannels
        return [prompt.batchSize, channels] + sides.map { max($0 / model.latentFactor, 1) }
    }
}
