public import DiffusionModels
public import Foundation
import Layers
public import Measurement
import Optimizers
import Recipes
import TensorCore
import Weights
import World

/// Trains a probe, and writes it with its errors on held-out pictures.
///
/// Resumes from its checkpoint, exactly.
public struct ProbeTraining: Sendable {
    private let recipe: ProbeRecipe
    private let autoencoder: AutoencoderKL
    private let context: TrainingContext
    private let fingerprint: String

    /// - Parameters:
    ///   - autoencoder: the one that the recipe names.
    ///   - autoencoderHash: the SHA-256 of the model that it is from.
    public init(
        recipe: ProbeRecipe, autoencoder: AutoencoderKL, autoencoderHash: String, context: TrainingContext
    ) throws {
        try recipe.validate()
        try recipe.training.precision?.validate("training.precision", on: context.device)
        self.recipe = recipe
        self.autoencoder = autoencoder
        self.context = context
        fingerprint = try canonicalHash(of: Identity(recipe: recipe, autoencoder: autoencoderHash))
    }

    private struct Identity: Codable {
        let recipe: ProbeRecipe
        let autoencoder: String
    }

    /// - Returns: the folder of the finished probe, or nil when the run was stopped before its end.
    public func run() throws -> URL? {
        guard let pictures = try roundTrips(of: recipe.scenes, count: recipe.data.roundTrips) else { return nil }
        var stage = StageRun(
            trainer: try ProbeTrainer(recipe: recipe, roundTrips: pictures), context: context,
            checkpointEvery: recipe.training.checkpointEvery, samplesEvery: recipe.training.steps)
        guard try stage.run(fingerprint: fingerprint) else { return nil }

        let tensors = stage.trainer.learner.average.parameters
        let probe = Probe(try ProbeNetwork(recipe.probe, weights: ParameterSet(tensors).weights))
        let source = FamilyScenes(recipe.probe.family, seed: recipe.data.heldOutSeed)
        guard let held = try roundTrips(of: source, count: recipe.data.heldOutCount) else { return nil }
        let scenes = (0..<recipe.data.heldOutCount).map(source.scene)
        let errors = ProbeErrors(
            renders: try ProbeReport(
                probe, pictures: scenes.map { render($0, size: recipe.probe.imageSize) }, scenes: scenes),
            roundTrips: try ProbeReport(
                probe, pictures: (0..<held.count).map { held[$0].picture }, scenes: scenes))
        return try write(probe, tensors, errors)
    }

    private func roundTrips(of scenes: FamilyScenes, count: Int) throws -> RoundTrips? {
        struct Stopped: Error {}
        var (clock, before) = (StepClock(), 0)
        do {
            return try RoundTrips(
                scenes, count: count, size: recipe.probe.imageSize,
                autoencoder: autoencoder
            ) { done in
                if context.shouldStop() { throw Stopped() }
                let left = clock.secondsLeft(stepsLeft: (count - done) / max(done - before, 1))
                before = done
                context.report(
                    .step(stage: "round trips", step: done, total: count, values: [:], secondsLeft: left))
            }
        } catch is Stopped {
            return nil
        }
    }

    /// `config.json`, `model.safetensors` and `errors.json`; the configuration comes last, so a folder with one is whole.
    private func write(_ probe: Probe, _ tensors: [String: Tensor], _ errors: ProbeErrors) throws -> URL {
        let folder = context.folder.appending(path: "probe-model")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try writeSafetensors(
            tensors.mapValues { $0.converted(to: .float16) },
            metadata: ["recipe": fingerprint, "steps": String(recipe.training.steps)],
            to: folder.appending(path: "model.safetensors").path)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(errors).write(to: folder.appending(path: "errors.json"), options: .atomic)
        try recipe.probe.json().write(to: folder.appending(path: "config.json"), options: .atomic)
        return folder
    }
}

/// A probe's errors on held-out scenes, as they were drawn and after a round trip through the autoencoder.
public struct ProbeErrors: Sendable, Codable, Equatable {
    public var renders: ProbeReport
    public var roundTrips: ProbeReport
}
