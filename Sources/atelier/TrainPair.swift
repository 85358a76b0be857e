import ArgumentParser
import Foundation
import Generation
import Recipes
import TensorCore
import Training

/// `atelier train pair`: a style from one pair of pictures, or several.
struct TrainPair: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pair",
        abstract: "Learn the style that two pictures of one content differ in; continues where it was stopped.")

    @Argument(help: "The recipe (YAML).")
    var recipe: String
    @Option(name: [.short, .long], help: "The folder for checkpoints, the log, samples and the style.")
    var output: String
    @Option(name: [.short, .long], help: "The model, in place of the recipe's.")
    var model: String?
    @Option(help: "The style's name, in place of the recipe's.")
    var name: String?
    @Flag(help: "Learn the baseline: a plain LoRA on the style pictures alone (DreamBooth-LoRA), NAME-dreambooth.")
    var baseline = false
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @OptionGroup var device: DeviceOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func run() async throws {
        try useThreads(threads)
        let folder = URL(filePath: recipe).deletingLastPathComponent()
        let wanted = try read()
        do { try wanted.validate() } catch { throw RecipeFault(description: "\(recipe): \(error)") }
        let context = try trainingContext(output, device: try device.backend())
        let store = try Assets.store(wanted.model, assets: assets)
        let path = try await ComputeThread.shared.perform {
            let training = try PairTraining(
                recipe: wanted, model: try StableDiffusion(store, device: context.device), modelHash: try store.hash(),
                context: context,
                recipeFolder: folder)
            do {
                return try training.run()
            } catch let error as TrainingError {
                throw RecipeFault(description: "\(recipe): \(error)")
            }
        }
        guard let path else { throw Interrupted() }
        print(path.path)
    }

    /// The recipe with what the options change.
    private func read() throws -> PairRecipe {
        var wanted = try decodeRecipe(PairRecipe.self, at: recipe)
        if let model { wanted.model = model }
        if let name { wanted.name = name }
        return baseline ? wanted.baseline : wanted
    }
}
