import ArgumentParser
import Foundation
import Recipes
import Training

/// `atelier train slider`: a low-rank direction of one concept.
struct TrainSlider: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slider",
        abstract: "Train a concept slider from prompts or picture pairs; continues where it was stopped.",
        discussion: "The recipe may also be the config.yaml of Concept Sliders' own trainer.")

    @OptionGroup var options: AdapterTrainingOptions
    @Option(help: "Attributes that are to stay, separated by commas: each entry is repeated with each of them.")
    var attributes: String?
    @Option(help: "The rank, in place of the recipe's.")
    var rank: Int?
    @Option(help: "Alpha, in place of the recipe's.")
    var alpha: Double?

    func run() async throws {
        try await options.train(try recipe()) { try $0.run().map { [$0] } }
    }

    /// The recipe, our own or the config.yaml of Concept Sliders' trainer, with what the options change.
    private func recipe() throws -> SliderRecipe {
        let text = (try? String(contentsOfFile: options.recipe, encoding: .utf8)) ?? ""
        let isOfficial = text.split(whereSeparator: \.isNewline).contains { $0.hasPrefix("pretrained_model:") }
        var wanted =
            isOfficial
            ? try decodeRecipe(OfficialSliderConfiguration.self, at: options.recipe).recipe(relativeTo: options.folder)
            : try decodeRecipe(SliderRecipe.self, at: options.recipe)
        if let rank { wanted.network.rank = SliderRank(rank) }
        if let alpha { wanted.network.alpha = alpha }
        if let attributes {
            wanted.preserve = attributes.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        return wanted
    }
}
