import Adapters
public import Foundation
import Generation

public typealias SliderTraining = AdapterTraining<SliderRecipe>

/// Trains a slider, and writes it as one safetensors file that says where it comes from.
extension AdapterTraining where Recipe == SliderRecipe {
    /// - Returns: the slider's file, or nil when the run was stopped before its end.
    public func run() throws -> URL? {
        if !model.readsSizes, recipe.prompts?.contains(where: \.dynamicCrops) ?? false {
            context.report(.message("dynamic_crops: has no effect, for this model is not told of crops"))
        }
        var stage = StageRun(
            trainer: try SliderTrainer(recipe: recipe, model: model, folder: recipeFolder, probes: probes),
            context: context, checkpointEvery: recipe.training.checkpointEvery,
            samplesEvery: recipe.training.samplesEvery)
        guard try stage.run(fingerprint: fingerprint, recipe: identity) else { return nil }
        var adapter = stage.trainer.adapter()
        var note = SliderNote(
            name: recipe.name, base: modelHash, recipe: fingerprint, steps: stage.trainer.learner.step)
        note.trait = recipe.trait
        note.start = recipe.start ?? 1
        try adapter.setNote(note)
        adapter.metadata.merge(try recipeMetadata()) { _, new in new }
        let path = context.folder.appending(path: recipe.name + ".safetensors")
        try adapter.write(to: path.path, format: .sliders)
        for name in recipe.formats ?? [] {
            let other = context.folder.appending(path: "\(recipe.name)-\(name).safetensors")
            try adapter.write(to: other.path, format: .find(name))
            context.report(.message("also written: \(other.path)"))
        }
        return path
    }
}
