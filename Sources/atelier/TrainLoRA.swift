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
        let recipe = try decodeRecipe(LoRARecipe.self, at: options.recipe)
        for unread in recipe.unreadPictures(beside: options.folder) {
            let names = unread.names
            let more = names.count > 10 ? " and \(names.count - 10) more" : ""
            complain(
                "\(unread.folder): expected pictures in .png or .jpg, found \(names.count) of other kinds, which are not "
                    + "learnt: \(names.prefix(10).joined(separator: ", "))\(more)")
        }
        try await options.train(recipe) { try $0.run() }
    }
}
