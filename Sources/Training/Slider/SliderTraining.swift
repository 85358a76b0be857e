import Adapters
public import Foundation

public typealias SliderTraining = AdapterTraining<SliderRecipe>

/// Trains a slider, and writes it as one safetensors file that says where it comes from.
extension AdapterTraining where Recipe == SliderRecipe {
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
        adapter.metadata.merge(try recipeMetadata()) { _, new in new }
        let path = context.folder.appending(path: recipe.name + ".safetensors")
        try adapter.write(to: path.path, format: .sliders)
        return path
    }
}
