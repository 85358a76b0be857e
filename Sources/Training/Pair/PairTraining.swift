import Adapters
public import Foundation

public typealias PairTraining = AdapterTraining<PairRecipe>

/// Trains a style, and writes it as a safetensors file in the names of diffusers, the contents of its pairs beside it.
extension AdapterTraining where Recipe == PairRecipe {
    /// - Returns: the style's file, or nil when the run was stopped before its end.
    public func run() throws -> URL? {
        var stage = StageRun(
            trainer: try PairTrainer(recipe: recipe, model: model, folder: recipeFolder, sampling: sampling),
            context: context, checkpointEvery: recipe.training.checkpointEvery,
            samplesEvery: recipe.training.samplesEvery)
        guard try stage.run(fingerprint: fingerprint, recipe: identity) else { return nil }
        for (index, content) in stage.trainer.contents().enumerated() {
            _ = try write(content, .content, "\(recipe.name)-content-\(index)")
        }
        return try write(stage.trainer.style(), .style, recipe.name)
    }

    private func write(_ adapter: Adapter, _ role: StyleNote.Role, _ name: String) throws -> URL {
        var adapter = adapter
        var note = StyleNote(
            name: recipe.name, role: role, base: modelHash, phrase: recipe.phrase,
            method: (recipe.method ?? .pair).rawValue)
        note.recipe = fingerprint
        note.steps = recipe.training.steps
        (note.strength, note.start) = (recipe.recommended.strength, recipe.recommended.start)
        try adapter.setNote(note)
        adapter.metadata.merge(try recipeMetadata()) { _, new in new }
        let path = context.folder.appending(path: name + ".safetensors")
        try adapter.write(to: path.path, format: .diffusers)
        return path
    }
}
