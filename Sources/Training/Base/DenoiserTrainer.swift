public import DiffusionModels
import Foundation
public import Generation
public import Imaging
import Layers
import Optimizers
import Samplers
public import TensorCore
import TextModels
public import Tokenizers
import Weights
import World

/// Trains the text encoder and the UNet together to predict what noise was added to latents, given a caption.
public struct DenoiserTrainer: StageTrainer {
    public static let name = "denoiser"

    public private(set) var learner: Learner
    private let recipe: BaseRecipe
    private let data: CaptionedLatents
    /// `[pictures, 1, height, width]`, nil where all places count alike.
    private let placeWeights: Tensor?
    private let tokenizer: CLIPTokenizer
    private let schedule: NoiseSchedule
    private let autoencoder: AutoencoderKL

    /// - Parameter textEncoder: values that the text encoder starts from, under `text_encoder.`.
    public init(
        recipe: BaseRecipe, data: CaptionedLatents, tokenizer: CLIPTokenizer, autoencoder: AutoencoderKL,
        warmStart: WarmStart? = nil, textEncoder: [String: Tensor] = [:]
    ) throws {
        self.recipe = recipe
        self.data = data
        placeWeights = recipe.denoiser.detailWeights.map(data.placeWeights)
        self.tokenizer = tokenizer
        self.autoencoder = autoencoder
        schedule = try NoiseSchedule(recipe.scheduler)
        let parameters = try Self.parameters(recipe, warmStart: warmStart, textEncoder: textEncoder)
        learner = Learner(
            parameters: parameters.tensors, recipe: recipe.denoiser.optimizer, totalSteps: recipe.denoiser.steps,
            random: TorchGenerator(seed: recipe.seed &+ 2),
            groups: [ParameterGroup(prefix: "text_encoder", learningRateFactor: recipe.denoiser.textEncoderRate)])
    }

    /// What both networks start from, under `text_encoder.` and `unet.`.
    static func parameters(
        _ recipe: BaseRecipe, warmStart: WarmStart?, textEncoder: [String: Tensor]
    ) throws -> ParameterSet {
        var parameters = try ParameterSet(initializing: recipe.seed &+ 1) { weights in
            _ = try CLIPTextModel(recipe.textEncoder, weights: weights.scope("text_encoder"))
            _ = try UNet2DConditionModel(recipe.unet, weights: weights.scope("unet"))
        }
        parameters.silenceResiduals()
        for part in ["text_encoder", "unet"] {
            try warmStart?.replace(part, prefix: part + ".", in: &parameters)
        }
        parameters.tensors.merge(textEncoder.filter { parameters.tensors[$0.key] != nil }) { _, new in new }
        return parameters
    }

    public var totalSteps: Int { recipe.denoiser.steps }

    public var precision: Precision { recipe.denoiser.precision ?? .fp32 }

    public mutating func restore(_ learner: Learner) { self.learner = learner }

    public mutating func trainStep() throws -> [String: Double] {
        let stage = recipe.denoiser
        let indices = learner.random.integers(below: data.scenes.count, count: stage.batch)
        let clean = data.rows(indices)
        let timesteps = learner.random.integers(below: schedule.trainTimesteps, count: stage.batch)
        let noise = learner.random.normal(clean.shape)
        let tokens = try drawTokens(indices)
        let noisy = schedule.addNoise(clean, noise: noise, timesteps: timesteps)
        let predicted = recipe.scheduler.predictionType
        let target = schedule.target(clean, noise: noise, timesteps: timesteps, prediction: predicted)
        let weights = schedule.lossWeights(timesteps: timesteps, gamma: stage.minSNRGamma, prediction: predicted)
        let places = placeWeights.map { embedding(Tensor(indices.map(Int64.init)), $0) }

        let isProbing = learner.step % 50 == 0
        let step = try ShardedGradient(
            of: precision.operands(of: learner.parameters), batch: stage.batch, shards: stage.shards ?? 1
        ) { [recipe] rows, parameters in
            func part(_ tensor: Tensor) -> Tensor { tensor.narrowed(0, start: rows.lowerBound, count: rows.count) }
            let textEncoder = try CLIPTextModel(recipe.textEncoder, weights: parameters.weights.scope("text_encoder"))
            let unet = try UNet2DConditionModel(recipe.unet, weights: parameters.weights.scope("unet"))
            let context = textEncoder(part(tokens), Pass()).lastHiddenState
            let times = Tensor(timesteps[rows].map(Float.init))
            let prediction = unet(part(noisy), timesteps: times, context: context, Pass())
            let squares = square(prediction - part(target))
            let errors = mean(squares, axes: [1, 2, 3])
            let weighted = places.map { mean(squares * part($0), axes: [1, 2, 3]) } ?? errors
            let loss = mean(weighted * part(weights))
            var values = ["error": Double(mean(errors).item)]
            if isProbing {
                let untracked = ParameterSet(parameters.tensors.mapValues(\.detached)).weights.scope("unet")
                let mistaken = try UNet2DConditionModel(recipe.unet, weights: untracked)(
                    part(noisy), timesteps: times, context: rolledRows(context.detached), Pass())
                values["caption_gain"] =
                    Double(mean(square(mistaken - part(target))).item) - values["error", default: 0]
            }
            return .init(total: loss, values: values)
        }
        var values = step.values
        values["learning_rate"] = learner.learningRate
        values["gradient_norm"] = try learner.update(gradients: step.gradients)
        return values
    }

    /// `[scenes, tokens]`: a fresh caption for each scene, or the empty prompt for the share that is dropped.
    private mutating func drawTokens(_ indices: [Int]) throws -> Tensor {
        let dropped = learner.random.uniform([indices.count]).floats
        let variations = learner.random.integers(below: 1 << 30, count: indices.count)
        let share = 8
        let favoured = recipe.denoiser.favouredAttributes ?? []
        let parts = try ComputeThread.shared.concurrently((indices.count + share - 1) / share) {
            [recipe, data, tokenizer] part in
            let positions = part * share..<min((part + 1) * share, indices.count)
            return tokenizer.rows(
                of: positions.map { position in
                    Double(dropped[position]) < recipe.denoiser.promptDropout
                        ? ""
                        : CaptionGrammar.caption(
                            for: data.scenes[indices[position]], variation: UInt64(variations[position]),
                            favouring: favoured
                        ).text
                })
        }
        return concatenated(parts, axis: 0)
    }

    /// A grid of fixed captions from fixed noise, by the averaged weights.
    public func samplePicture() throws -> Image? {
        let held = recipe.data.sampler(seed: recipe.data.seed &+ 1)
        let prompts = (0..<16).map { caption(for: held.sample(index: $0), variation: 0).text }
        let weights = ParameterSet(learner.average.parameters).weights
        let textEncoder = try CLIPTextModel(recipe.textEncoder, weights: weights.scope("text_encoder"))
        let unet = try UNet2DConditionModel(recipe.unet, weights: weights.scope("unet"))
        let tokens = tokenizer.rows(of: [String](repeating: "", count: prompts.count) + prompts)
        let context = textEncoder(tokens, Pass()).lastHiddenState

        var random = TorchGenerator(seed: recipe.seed)
        var sampler = try Sampler(named: "ddim", configuration: recipe.scheduler, steps: 20)
        var latents = random.normal([prompts.count] + data.latents.shape.dropFirst())
        for (index, evaluation) in sampler.evaluations.enumerated() {
            let input = concatenated([latents, latents], axis: 0)
            let timesteps = Tensor([Float](repeating: evaluation.timestep, count: 2 * prompts.count))
            let rows = unet(input, timesteps: timesteps, context: context, Pass())
            let halves = rows.chunked(0, count: 2)
            let guided = halves[0] + 4 * (halves[1] - halves[0])
            latents = sampler.step(guided, latents: latents, at: index, random: &random)
        }
        return grid(of: autoencoder.decode(autoencoder.unscaled(latents), Pass()).images(), columns: 8)
    }
}

/// Every row in the place of the one before it: each picture gets another one's caption.
private func rolledRows(_ context: Tensor) -> Tensor {
    let rows = context.size(0)
    return embedding(Tensor((0..<rows).map { Int64(($0 + 1) % rows) }), context)
}
