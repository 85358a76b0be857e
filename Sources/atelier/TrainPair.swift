import ArgumentParser
import Foundation
import Recipes
import Training

/// `atelier train pair`: a style from one pair of pictures, or several.
struct TrainPair: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pair",
        abstract: "Learn the style that two pictures of one content differ in; continues where it was stopped.")

    @OptionGroup var options: AdapterTrainingOptions
    @Flag(help: "Learn the baseline: a plain LoRA on the style pictures alone (DreamBooth-LoRA), NAME-dreambooth.")
    var baseline = false

    func run() async throws {
        var recipe = try decodeRecipe(PairRecipe.self, at: options.recipe)
        // The baseline's name is made of the pair's.
        if let name = options.name { recipe.name = name }
        var options = options
        options.name = nil
        if !baseline {
            for pair in try recipe.stretchedPairs(beside: options.folder) {
                complain(
                    "\(pair.content): \(pair.contentSize) pixels are stretched to the proportions of \(pair.style), "
                        + "\(pair.styleSize), as both are cut out at one place")
            }
        }
        try await options.train(baseline ? recipe.baseline : recipe) { try $0.run().map { [$0] } }
    }
}
