import DiffusionModels
public import Foundation
import Generation
import Imaging
import Layers
import Optimizers
import Recipes
import Samplers
import TensorCore
import TextModels
import Tokenizers
import Weights
import World

/// Trains a base model from nothing: the autoencoder, then text encoder and UNet, then a diffusers folder.
///
/// Every stage resumes from its checkpoint, exactly: the folder that a stopped run leaves, run again, ends in the same
/// bytes as a run that was never stopped.
public struct BaseTraining: Sendable {
    private let recipe: BaseRecipe
    private let fingerprint: String
    private let context: TrainingContext
    private let tokenizer: CLIPTokenizer
    private let warmStart: WarmStart?

    /// - Parameter warmStart: a trained model to start from instead of random weights.
    public init(recipe: BaseRecipe, context: TrainingContext, warmStart: WarmStart? = nil) throws {
        let holds = { (part: String) in warmStart?.holds(part) ?? false }
        try recipe.validate(
            hasAutoencoder: holds("vae"), hasDenoiser: ["vae", "unet", "text_encoder"].allSatisfy(holds))
        for (key, precision) in [
            ("autoencoder.precision", recipe.autoencoder.precision), ("reading.precision", recipe.reading?.precision),
            ("denoiser.precision", recipe.denoiser.precision),
        ] { try precision?.validate(key, on: context.device) }
        tokenizer = try CLIPTokenizer(learning: recipe.tokenizer, from: CaptionGrammar.vocabulary)
        var recipe = recipe
        recipe.textEncoder.vocabularySize = tokenizer.vocabularySize
        recipe.textEncoder.beginTokenID = tokenizer.bosID
        recipe.textEncoder.endTokenID = tokenizer.eosID
        recipe.textEncoder.padTokenID = tokenizer.padID
        recipe.textEncoder.maximumTokens = recipe.tokenizer.length
        self.recipe = recipe
        self.context = context
        self.warmStart = warmStart
        try warmStart?.checkVocabulary(tokenizer)
        fingerprint = try canonicalHash(of: Identity(recipe: recipe, warmStart: warmStart?.hash))
    }

    /// - Returns: the folder of the finished model, or nil when the run was stopped before its end.
    /// - Throws: before any compute when the model's folder holds something that no training wrote.
    public func run() throws -> URL? {
        _ = try ModelFolderWriter(folder: modelFolder, floatingPoint: nil, metadata: ["recipe": fingerprint])
        var autoencoder = StageRun(
            trainer: try AutoencoderTrainer(recipe: recipe, warmStart: warmStart), context: context,
            checkpointEvery: recipe.autoencoder.checkpointEvery, samplesEvery: recipe.autoencoder.samplesEvery)
        guard try autoencoder.run(fingerprint: fingerprint(of: AutoencoderTrainer.self)) else { return nil }

        let vae = ParameterSet(autoencoder.trainer.learner.average.parameters).moved(to: context.device).tensors
        guard let textEncoder = try readCaptions() else { return nil }
        if recipe.denoiser.steps == 0, let warmStart { return try exportDecoder(vae, warmStart, textEncoder) }
        guard let (data, scalingFactor) = try encodePictures(vae) else { return nil }
        var configuration = recipe.vae
        configuration.scalingFactor = Float(scalingFactor)
        let model = try AutoencoderKL(configuration, weights: ParameterSet(vae).weights)

        var denoiser = StageRun(
            trainer: try DenoiserTrainer(
                recipe: recipe, data: data, tokenizer: tokenizer, autoencoder: model, warmStart: warmStart,
                textEncoder: textEncoder),
            context: context, checkpointEvery: recipe.denoiser.checkpointEvery,
            samplesEvery: recipe.denoiser.samplesEvery)
        let isComplete = try denoiser.run(fingerprint: fingerprint)
        let export = ModelExport(
            recipe: recipe, vaeConfiguration: configuration, vae: vae,
            denoiser: denoiser.trainer.learner.average.parameters, tokenizer: tokenizer)
        try export.write(to: modelFolder, steps: denoiser.trainer.learner.step, fingerprint: fingerprint)
        return isComplete ? modelFolder : nil
    }

    /// The warm start's networks with an autoencoder whose latents are the same.
    private func exportDecoder(
        _ vae: [String: Tensor], _ warmStart: WarmStart, _ textEncoder: [String: Tensor]
    ) throws -> URL {
        var configuration = recipe.vae
        configuration.scalingFactor = try warmStart.scalingFactor()
        let denoiser = try DenoiserTrainer.parameters(recipe, warmStart: warmStart, textEncoder: textEncoder)
        let export = ModelExport(
            recipe: recipe, vaeConfiguration: configuration, vae: vae, denoiser: denoiser.tensors, tokenizer: tokenizer)
        try export.write(to: modelFolder, steps: 0, fingerprint: fingerprint)
        return modelFolder
    }

    private var modelFolder: URL { context.folder.appending(path: "model") }

    /// The text encoder after its own stage; empty without one or when it has learnt already, nil when the run was stopped.
    private func readCaptions() throws -> [String: Tensor]? {
        guard let stage = recipe.reading, warmStart?.holds("text_encoder") != true else { return [:] }
        var reading = StageRun(
            trainer: try ReadingTrainer(recipe: recipe, stage: stage, tokenizer: tokenizer),
            context: context, checkpointEvery: stage.checkpointEvery, samplesEvery: stage.steps)
        guard try reading.run(fingerprint: fingerprint) else { return nil }
        return reading.trainer.learner.average.parameters
    }

    /// The autoencoder does not depend on the stages after it: a changed denoiser keeps it.
    private func fingerprint(of stage: AutoencoderTrainer.Type) throws -> String {
        try canonicalHash(
            of: AutoencoderIdentity(
                seed: recipe.seed, data: recipe.data, vae: recipe.vae, stage: recipe.autoencoder,
                warmStart: warmStart?.hash))
    }

    private struct Identity: Codable {
        let recipe: BaseRecipe
        let warmStart: String?
    }

    private struct AutoencoderIdentity: Codable {
        let seed: UInt64
        let data: BaseRecipe.WorldData
        let vae: AutoencoderKLConfiguration
        let stage: BaseRecipe.AutoencoderStage
        let warmStart: String?
    }

    private func encodePictures(_ vae: [String: Tensor]) throws -> (CaptionedLatents, Double)? {
        let autoencoder = try AutoencoderKL(recipe.vae, weights: ParameterSet(vae).weights)
        struct Stopped: Error {}
        do {
            var clock = StepClock()
            let batch = 32
            // A denoiser that goes on learning on the same latents keeps their scale.
            let keepsScale = recipe.autoencoder.steps == 0 && warmStart?.holds("unet") == true
            return try CaptionedLatents.encode(
                sampler: recipe.data.sampler(), count: recipe.denoiser.pictures, size: recipe.data.size,
                autoencoder: autoencoder,
                scalingFactor: keepsScale ? try warmStart.map { Double(try $0.scalingFactor()) } : nil,
                batch: batch
            ) { done in
                if context.shouldStop() { throw Stopped() }
                let left = clock.secondsLeft(stepsLeft: (recipe.denoiser.pictures - done) / batch)
                context.report(
                    .step(
                        stage: "encoding", step: done, total: recipe.denoiser.pictures, values: [:], secondsLeft: left))
            }
        } catch is Stopped {
            return nil
        }
    }
}

extension CLIPTokenizer {
    /// A small byte-pair vocabulary that spells the given words in few tokens, and any other text in bytes.
    init(learning recipe: BaseRecipe.TokenizerRecipe, from words: [String]) throws {
        let counts = Dictionary(words.map { ($0, 1) }, uniquingKeysWith: +)
        self = try BPETrainer(merges: recipe.merges, minimumCount: 1)
            .train(
                on: counts.sorted { $0.key < $1.key }.map { (word: $0.key, count: $0.value) },
                modelMaxLength: recipe.length)
    }
}
