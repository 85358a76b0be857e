public import Foundation
public import Generation
public import Layers
public import Recipes

/// A recipe that trains an adapter on a model which it names.
public protocol AdapterRecipe: Codable, DerivableRecipe, Sendable {
    /// The adapter's name, and that of its file.
    var name: String { get set }
    var model: String { get set }
    /// Files beside the model whose bytes decide the result, as paths from the recipe's folder.
    var inputs: [String] { get }
    func validate() throws
}

extension AdapterRecipe {
    public var inputs: [String] { [] }
}

extension CheckpointPolicy {
    /// What a training of an adapter keeps: never the gates of feed-forward parts, a quarter of all maps, which take a
    /// twenty-fifth of a step's time to make again.
    ///
    /// - Parameter runningBlocksAgain: the recipe's wish to keep nothing inside of blocks, either.
    public static func ofAdapters(runningBlocksAgain: Bool?) -> Self {
        runningBlocksAgain ?? false ? .blocks : .feedForward
    }
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
    /// The folder of the probes that early stops measure with.
    let probes: URL?
    /// How samples are drawn while it trains.
    let sampling: SamplingDefaults
    /// The identity of the recipe and of the bytes of the model and of other inputs: its hash, and as JSON.
    let fingerprint: String
    let identity: String

    /// - Parameters:
    ///   - model: the one that the recipe names.
    ///   - recipeFolder: where the recipe's relative paths start.
    ///   - probes: the folder of the probes, for recipes that measure what they train and name none.
    ///   - sampling: what the model is best drawn with, for the samples.
    public init(
        recipe: Recipe, model: StableDiffusion, modelHash: String, context: TrainingContext, recipeFolder: URL? = nil,
        probes: URL? = nil, sampling: SamplingDefaults = .standard
    ) throws {
        try recipe.validate()
        self.recipe = recipe
        self.model = model
        self.modelHash = modelHash
        self.context = context
        self.recipeFolder = recipeFolder
        self.probes = probes
        self.sampling = sampling
        let hashes = try recipe.inputs.map { path in
            try PictureRecipe.InputFile(
                path: path.hasPrefix("/") ? path : recipeFolder?.appending(path: path).path ?? path
            )
            .hash
        }
        let whole = Identity(recipe: recipe, model: modelHash, inputs: hashes.isEmpty ? nil : hashes)
        fingerprint = try canonicalHash(of: whole)
        identity = String(decoding: try canonicalJSON(of: whole), as: UTF8.self)
    }

    private struct Identity: Codable {
        let recipe: Recipe
        let model: String
        let inputs: [String]?
    }

    /// What a trained file says of its recipe: `atelier.recipe`.
    func recipeMetadata() throws -> [String: String] {
        ["atelier.recipe": String(decoding: try canonicalJSON(of: recipe), as: UTF8.self)]
    }
}
