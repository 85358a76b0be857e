import ArgumentParser
import Foundation
import Generation
import TensorCore
import Training

/// What commands that train an adapter from a recipe share.
struct AdapterTrainingOptions: ParsableArguments {
    @Argument(help: "The recipe (YAML).")
    var recipe: String
    @Option(name: [.short, .long], help: "The folder for checkpoints, the log, samples and what is learnt.")
    var output: String
    @Option(name: [.short, .long], help: "The model, in place of the recipe's.")
    var model: String?
    @Option(help: "The name of what is learnt, in place of the recipe's.")
    var name: String?
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @OptionGroup var device: DeviceOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    /// Where the recipe's relative paths start.
    var folder: URL { URL(filePath: recipe).deletingLastPathComponent() }

    /// Trains, and prints the files that were written.
    ///
    /// - Parameter run: gives nil when it was stopped.
    func train<Recipe: AdapterRecipe>(
        _ recipe: Recipe, _ run: @escaping @Sendable (AdapterTraining<Recipe>) throws -> [URL]?
    ) async throws {
        try useThreads(threads)
        var wanted = recipe
        if let model { wanted.model = model }
        if let name { wanted.name = name }
        do { try wanted.validate() } catch { throw RecipeFault(description: "\(self.recipe): \(error)") }
        let context = try trainingContext(output, device: try device.backend())
        let store = try Assets.store(wanted.model, assets: assets)
        let (path, folder) = (self.recipe, folder)
        let probes = try? Assets.folder(assets).appending(path: "probes")
        let files = try await ComputeThread.shared.perform { [wanted] in
            let training = try AdapterTraining(
                recipe: wanted, model: try StableDiffusion(store, device: context.device), modelHash: try store.hash(),
                context: context, recipeFolder: folder, probes: probes, sampling: try store.samplingDefaults())
            do {
                return try run(training)
            } catch let error as TrainingError {
                throw RecipeFault(description: "\(path): \(error)")
            }
        }
        guard let files else { throw Interrupted() }
        for file in files { print(file.path) }
    }
}
