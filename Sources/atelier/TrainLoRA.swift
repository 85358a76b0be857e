import ArgumentParser
import Recipes
import Training

/// `atelier train lora`: a plain LoRA, or a DreamBooth.
struct TrainLoRA: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lora",
        abstract: "Train a LoRA on a folder of captioned pictures, or a DreamBooth; continues where it was stopped.")

    @OptionGroup var options: AdapterTrainingOptions

    func run() async throws {
        try await options.train(try decodeRecipe(LoRARecipe.self, at: options.recipe)) { try $0.run() }
    }
}
