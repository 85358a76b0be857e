import Adapters
public import Foundation
public import Generation
import Recipes
import TensorCore
import Weights

/// Trains a plain LoRA or a DreamBooth, and writes it in the formats that the recipe names.
///
/// Resumes from its checkpoint, exactly.
public struct LoRATraining: Sendable {
    private let recipe: LoRARecipe
    private let model: StableDiffusion
    private let modelHash: String
    private let context: TrainingContext
    private let recipeFolder: URL?
    private let fingerprint: String

    /// - Parameters:
    ///   - model: the one that the recipe names.
    ///   - recipeFolder: where the recipe's relative paths start.
    public init(
        recipe: LoRARecipe, model: StableDiffusion, modelHash: String, context: TrainingContext,
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
        let recipe: LoRARecipe
        let model: String
    }

    /// - Returns: the files, or nil when the run was stopped before its end.
    public func run() throws -> [URL]? {
        let data = try CaptionedPictures(recipe.data, relativeTo: recipeFolder)
        var prior: CaptionedPictures?
        if let wanted = recipe.prior {
            let source = PriorPictures(
                prior: wanted, folder: context.folder.appending(path: "prior"), seed: recipe.seed ?? 0)
            prior = try source.pictures(by: model, context)
            if prior == nil { return nil }
        }
        var stage = StageRun(
            trainer: try LoRATrainer(recipe: recipe, model: model, data: data, prior: prior), context: context,
            checkpointEvery: recipe.training.checkpointEvery, samplesEvery: recipe.training.samplesEvery)
        guard try stage.run(fingerprint: fingerprint) else { return nil }
        var adapter = stage.trainer.adapter()
        adapter.metadata["atelier.base"] = modelHash
        adapter.metadata["atelier.recipe"] = String(decoding: try canonicalJSON(of: recipe), as: UTF8.self)
        return try (recipe.formats ?? [AdapterFormat.kohya.name]).enumerated().map { index, name in
            let ending = index == 0 ? "" : "-\(name)"
            let path = context.folder.appending(path: "\(recipe.name)\(ending).safetensors")
            try adapter.write(to: path.path, format: .find(name))
            return path
        }
    }
}
