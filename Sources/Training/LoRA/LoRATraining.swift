import Adapters
public import Foundation

public typealias LoRATraining = AdapterTraining<LoRARecipe>

/// Trains a plain LoRA or a DreamBooth, and writes it in the formats that the recipe names.
extension AdapterTraining where Recipe == LoRARecipe {
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
        guard try stage.run(fingerprint: fingerprint, recipe: identity) else { return nil }
        var adapter = stage.trainer.adapter()
        adapter.metadata["atelier.base"] = modelHash
        adapter.metadata.merge(try recipeMetadata()) { _, new in new }
        return try (recipe.formats ?? [AdapterFormat.kohya.name]).enumerated().map { index, name in
            let ending = index == 0 ? "" : "-\(name)"
            let path = context.folder.appending(path: "\(recipe.name)\(ending).safetensors")
            try adapter.write(to: path.path, format: .find(name))
            return path
        }
    }
}
