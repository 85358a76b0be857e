import Adapters
public import Foundation
public import Generation
import Recipes
import TensorCore
import Weights

/// Trains a slider, and writes it as one safetensors file that says where it comes from.
///
/// Resumes from its checkpoint, exactly.
public struct SliderTraining: Sendable {
    private let recipe: SliderRecipe
    private let model: StableDiffusion
    private let modelHash: String
    private let context: TrainingContext
    private let recipeFolder: URL?
    private let fingerprint: String

    /// - Parameters:
    ///   - model: the one that the recipe names.
    ///   - recipeFolder: where the recipe's relative paths start.
    public init(
        recipe: SliderRecipe, model: StableDiffusion, modelHash: String, context: TrainingContext,
        recipeFolder: URL? = nil
    ) throws {
        try recipe.validate()
        self.recipe = recipe
        self.model = model
        self.modelHash = modelHash
        self.context = context
        self.recipeFolder = recipeFolder
        fingerprint = try canonicalHash(of: Identity(recipe: recipe, model: modelHash))
    }

    private struct Identity: Codable {
        let recipe: SliderRecipe
        let model: String
    }

    /// - Returns: the slider's file, or nil when the run was stopped before its end.
    public func run() throws -> URL? {
        var stage = StageRun(
            trainer: try SliderTrainer(recipe: recipe, model: model, folder: recipeFolder), context: context,
            checkpointEvery: recipe.training.checkpointEvery, samplesEvery: recipe.training.samplesEvery)
        guard try stage.run(fingerprint: fingerprint) else { return nil }
        var adapter = stage.trainer.adapter()
        let note = SliderNote(
            name: recipe.name, base: modelHash, recipe: fingerprint, steps: recipe.training.steps)
        try adapter.setNote(note)
        adapter.metadata["atelier.recipe"] = String(decoding: try canonicalJSON(of: recipe), as: UTF8.self)
        let path = context.folder.appending(path: recipe.name + ".safetensors")
        try adapter.write(to: path.path, format: .sliders)
        return path
    }
}
