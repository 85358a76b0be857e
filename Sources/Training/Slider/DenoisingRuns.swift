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
        steps = stage.runs.steps
        guidanceScale = stage.runs.guidanceScale
        parity = stage.parity ?? .none
        var configuration = objective.model.scheduler
        if parity == .upstream {
            configuration.timestepSpacing = .leading
            configuration.stepsOffset = 0
            configuration.setsAlphaToOne = true
            configuration.clipsSample = false
        }
        sampler = try Sampler(named: "ddim", configuration: configuration, steps: steps)
    }

    /// The timestep that the network is told at latents after `k` steps.
    ///
    /// The original looks `k` up in a schedule of 1000 steps, which gives the timestep 19 too high for 50 steps.
    func timestep(after k: Int) -> Float {
        guard parity == .upstream else { return sampler.evaluations[k].timestep }
        let trained = sampler.schedule.trainTimesteps
        return Float(trained - 1 - k * trained / steps)
    }

    /// The latents after each of `count` steps, the noise first.
    func run(_ entry: Int, noise: Tensor, count: Int, slider: AdapterStack) -> [Tensor] {
        var sampler = sampler
        var random = TorchGenerator(seed: 0)
        let prompts = objective.entries[entry]
        let pass = Pass(adaptation: slider)
        var latents = noise * Double(sampler.initialNoiseScale)
        var all = [latents]
        for index in 0..<count {
            let input = sampler.modelInput(latents, at: index)
            let timestep = sampler.evaluations[index].timestep
            let rows = objective.model.predictions(
                input, timestep: timestep, texts: [prompts.opposite, prompts.target], pass)
            let guided = rows[0] + guidanceScale * (rows[1] - rows[0])
            latents = sampler.step(guided, latents: latents, at: index, random: &random).detached
            all.append(latents)
        }
        return all
    }

    /// Height and width of the latents of an entry, drawn where its resolution is dynamic.
    func latentShape(_ entry: Int, random: inout TorchGenerator) -> [Int] {
        let model = objective.model
        let prompt = objective.entries[entry].prompt
        let resolution = prompt.resolution ?? model.defaultSize
        var sides = [resolution, resolution]
        if prompt.dynamicResolution {
            let (low, high) = (resolution / 2 / 64, (resolution - 64) / 64)
            sides = sides.map { _ in 64 * (low + random.integers(below: max(high - low, 1), count: 1)[0]) }
        }
        let channels = model.autoencoder.configuration.latentChannels
        return [prompt.batchSize, channels] + sides.map { max($0 / model.latentFactor, 1) }
    }
}
