import Adapters
import Foundation
import Generation
import Imaging
import Layers
import Optimizers
import Samplers
import TensorCore

/// Trains one plain adapter on captioned pictures; the model stays as it is.
///
///     loss = mean w(t) (v - e(x_t, t, caption))² + weight · mean (v - e(prior's x_t, t, prior's prompt))²
struct LoRATrainer: StageTrainer {
    static let name = "lora"

    private(set) var learner: Learner
    private let recipe: LoRARecipe
    private let model: StableDiffusion
    private let schedule: NoiseSchedule
    /// The adapter before any step.
    private let untrained: Adapter
    private let data: PictureSet
    private let prior: PictureSet?
    private var cuts = EncodedCuts()

    /// Pictures in memory, with their captions encoded where the text encoders do not learn.
    private struct PictureSet: Sendable {
        let pictures: [AlignedPictures]
        let captions: [String]
        let texts: [String: TextConditioning]
        /// Tells its cuts from those of other sets.
        let firstNumber: Int

        init(_ entries: CaptionedPictures, side: Int, firstNumber: Int, encode: ((String) -> TextConditioning)?) throws
        {
            var known: [String: AlignedPictures] = [:]
            pictures = try entries.entries.map { entry in
                let found = try known[entry.path] ?? AlignedPictures([try readImage(at: entry.path).image], side: side)
                known[entry.path] = found
                return found
            }
            captions = entries.entries.map(\.caption)
            var texts: [String: TextConditioning] = [:]
            if let encode { for caption in Set(captions + [""]) { texts[caption] = encode(caption) } }
            self.texts = texts
            self.firstNumber = firstNumber
        }
    }

    /// One picture at one noise.
    private struct Draw: Sendable {
        let caption: String
        let latents: Tensor
        let noise: Tensor
        let timestep: Int
        let size: (width: Int, height: Int)
        let isPrior: Bool
    }

    /// - Parameter prior: pictures of the class, nil where nothing is preserved.
    init(
        recipe: LoRARecipe, model: StableDiffusion, data: CaptionedPictures, prior: CaptionedPictures? = nil
    ) throws {
        self.recipe = recipe
        self.model = model
        schedule = try NoiseSchedule(model.scheduler)
        let side = recipe.training.resolution ?? model.defaultSize
        try model.checkResolution(side)
        let modules = recipe.network.modules(of: model.modules)
        guard !modules.isEmpty else {
            throw TrainingError.invalidRecipe(key: "network.layers", expected: "layers of the model", found: "none")
        }
        let learnsText = modules.contains { $0.part != "unet" }
        let encode: ((String) -> TextConditioning)? = learnsText ? nil : { model.text($0) }
        self.data = try PictureSet(data, side: side, firstNumber: 0, encode: encode)
        self.prior = try prior.map {
            try PictureSet($0, side: side, firstNumber: data.entries.count, encode: encode)
        }
        var random = TorchGenerator(seed: recipe.seed ?? 0)
        untrained = Adapter.untrained(
            name: recipe.name, modules: modules, rank: recipe.network.rank,
            alpha: recipe.network.alpha ?? Double(recipe.network.rank), isXL: model.text.encoders.count > 1,
            random: &random)
        let textRate = recipe.network.textEncoderRate ?? 1
        learner = Learner(
            parameters: untrained.parameters.mapValues { $0.converted(to: .float32) + 0 },
            recipe: recipe.training.optimizer, totalSteps: recipe.training.steps, random: random,
            groups: ["text_encoder", "text_encoder_2"].map {
                ParameterGroup(prefix: $0, learningRateFactor: textRate)
            })
    }

    var totalSteps: Int { recipe.training.steps }

    mutating func restore(_ learner: Learner) { self.learner = learner }

    mutating func trainStep() throws -> [String: Double] {
        let count = recipe.training.draws ?? 1
        let draws = (0..<count).map { _ in
            [draw(data, isPrior: false)] + (prior.map { [draw($0, isPrior: true)] } ?? [])
        }
        let step = try ShardedGradient(of: learner.parameters, batch: count, shards: count) {
            [self] rows, parameters in
            let adapter = untrained.replacing(parameters: parameters.tensors)
            let stack = try AdapterStack([StackEntry(adapter, isTrainable: true)], sites: model.sites)
            let losses = draws[rows.lowerBound].map { loss($0, stack) }
            let weight = recipe.prior?.weight ?? 1
            let total = losses.count == 1 ? losses[0] : losses[0] + weight * losses[1]
            return .init(total: total, values: losses.count == 1 ? [:] : ["prior": Double(losses[1].item)])
        }
        var values = step.values
        values["learning_rate"] = learner.learningRate
        values["gradient_norm"] = try learner.update(gradients: step.gradients)
        return values
    }

    private func loss(_ draw: Draw, _ stack: AdapterStack) -> Tensor {
        let pass = Pass(
            adaptation: stack, checkpointing: .ofAdapters(runningBlocksAgain: recipe.training.checkpointsBlocks))
        let text = (draw.isPrior ? prior : data)?.texts[draw.caption] ?? model.text(draw.caption, pass)
        let picture = NoisyPicture(
            clean: draw.latents, noise: draw.noise, timestep: draw.timestep, text: text, originalSize: draw.size)
        let loss = model.loss(of: picture, schedule, pass)
        guard let gamma = recipe.training.minSNRGamma, gamma > 0, !draw.isPrior else { return loss }
        let weights = schedule.lossWeights(
            timesteps: [draw.timestep], gamma: gamma, prediction: model.scheduler.predictionType)
        return loss * Double(weights.floats[0])
    }

    private mutating func draw(_ data: PictureSet, isPrior: Bool) -> Draw {
        let stage = recipe.training
        let index = learner.random.integers(below: data.pictures.count, count: 1)[0]
        let picture = data.pictures[index]
        let cut = picture.cut(
            stage.crop ?? .center, stage.mirror ?? .never, factor: model.latentFactor, random: &learner.random)
        let timestep = learner.random.integers(below: schedule.trainTimesteps, count: 1)[0]
        let latents = cuts.latents(
            picture, number: data.firstNumber + index, cut, by: model, random: &learner.random)[0]
        var caption = data.captions[index]
        if let share = stage.promptDropout, share > 0, Double(learner.random.uniform([1]).floats[0]) < share {
            caption = ""
        }
        return Draw(
            caption: caption, latents: latents, noise: learner.random.normal(latents.shape), timestep: timestep,
            size: picture.originalSizes[0], isPrior: isPrior)
    }

    /// The adapter as it would be written now.
    func adapter() -> Adapter { untrained.replacing(parameters: learner.average.parameters) }

    /// One row a prompt: without the adapter and with it, from the same noise.
    func samplePicture() throws -> Image? {
        let stack = try AdapterStack([StackEntry(adapter())], sites: model.sites)
        let prompts = Array((recipe.training.samplePrompts ?? Set(data.captions).sorted()).prefix(4))
        guard !prompts.isEmpty else { return nil }
        let pictures = try ComputeThread.shared.concurrently(2 * prompts.count) { index -> Image in
            let request = GenerationRequest(
                prompt: prompts[index / 2], steps: 20, guidanceScale: 3, seed: recipe.seed ?? 0,
                width: model.defaultSize, height: model.defaultSize)
            let pass = Pass(adaptation: index % 2 == 0 ? nil : stack)
            var denoising = try Denoising(request, model: model, pass: pass)
            denoising.advanceToEnd()
            return try denoising.picture()
        }
        return grid(of: pictures, columns: 2)
    }
}
