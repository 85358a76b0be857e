public import Foundation
public import Generation
import Recipes

/// A recipe that trains an adapter on a model which it names.
public protocol AdapterRecipe: Codable, Sendable {
    /// The adapter's name, and that of its file.
    var name: String { get set }
    var model: String { get set }
    func validate() throws
}

/// A training of an adapter: its recipe, the model, and where it runs. `run` stands beside each kind of recipe.
///
/// Resumes from its checkpoint, exactly.
public struct AdapterTraining<Recipe: AdapterRecipe>: Sendable {
    let recipe: Recipe
    let model: StableDiffusion
    let modelHash: String
    let context: TrainingContext
    let recipeFolder: URL?
    /// The identity of the recipe and of the model's bytes.
    let fingerprint: String

    /// - Parameters:
    ///   - model: the one that the recipe names.
    ///   - recipeFolder: where the recipe's relative paths start.
    public init(
        recipe: Recipe, model: StableDiffusion, modelHash: String, context: TrainingContext, recipeFolder: URL? = nil
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
        let recipe: Recipe
        let model: String
    }

    /// What a trained file says of its recipe: `atelier.recipe`.
    func recipeMetadata() throws -> [String: String] {
        ["atelier.recipe": String(decoding: try canonicalJSON(of: recipe), as: UTF8.self)]
    }
}
