import ArgumentParser
import Foundation
import Generation
import Recipes
import TensorCore
import Training

/// `atelier train slider`: a low-rank direction of one concept.
struct TrainSlider: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slider",
        abstract: "Train a concept slider from prompts or picture pairs; continues where it was stopped.")

    @Argument(help: "The recipe (YAML), or the config.yaml of Concept Sliders' own trainer.")
    var recipe: String
    @Option(name: [.short, .long], help: "The folder for checkpoints, the log, samples and the slider.")
    var output: String
    @Option(name: [.short, .long], help: "The model, in place of the recipe's.")
    var model: String?
    @Option(help: "Attributes that are to stay, separated by commas: each entry is repeated with each of them.")
    var attributes: String?
    @Option(help: "The rank, in place of the recipe's.")
    var rank: Int?
    @Option(help: "Alpha, in place of the recipe's.")
    var alpha: Double?
    @Option(help: "The slider's name, in place of the recipe's.")
    var name: String?
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @OptionGroup var device: DeviceOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func run() async throws {
        try useThreads(threads)
        let folder = URL(filePath: recipe).deletingLastPathComponent()
        let wanted = try read(folder)
        do { try wanted.validate() } catch { throw RecipeFault(description: "\(recipe): \(error)") }
        let context = try trainingContext(output, device: try device.backend())
        let store = try Assets.store(wanted.model, assets: assets)
        let path = try await ComputeThread.shared.perform {
            let training = try SliderTraining(
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
    private func read(_ folder: URL) throws -> SliderRecipe {
        let text = (try? String(contentsOfFile: recipe, encoding: .utf8)) ?? ""
        let isOfficial = text.split(separator: "\n").contains { $0.hasPrefix("pretrained_model:") }
        var wanted =
            isOfficial
            ? try decodeRecipe(OfficialSliderConfiguration.self, at: recipe).recipe(relativeTo: folder)
            : try decodeRecipe(SliderRecipe.self, at: recipe)
        if let model { wanted.model = model }
        if let name { wanted.name = name }
        if let rank { wanted.network.rank = rank }
        if let alpha { wanted.network.alpha = alpha }
        if let attributes {
            wanted.preserve = attributes.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        return wanted
    }
}
