import ArgumentParser
import Foundation
import Generation
import Imaging

/// `atelier info`: what a picture says of itself.
struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print how a picture was made, as far as it says.")

    @Argument(help: "A PNG or JPEG file.")
    var picture: String
    @Flag(help: "Print the recipe as JSON, or the fields of the text where there is no recipe.")
    var json = false

    func run() throws {
        let (image, metadata) = try readImage(at: picture)
        let recipe = try PictureRecipe(metadata, path: picture)
        let infotext = metadata["parameters"].map(Infotext.init(parsing:))
        if json { return try printJSON(recipe, infotext) }
        print("\(picture): \(image.width)x\(image.height)")
        guard let shown = recipe?.infotext ?? infotext else {
            return print("  it carries no recipe")
        }
        print("prompt: \(shown.prompt)")
        if let negative = shown.negativePrompt { print("negative prompt: \(negative)") }
        for field in shown.fields { print("\(field.name): \(field.value)") }
        if let recipe {
            print("Model sha256: \(recipe.modelHash)")
            for addition in recipe.additions ?? [] {
                print("\(addition.role.rawValue) \(addition.file.path) sha256: \(addition.file.hash)")
            }
            for use in recipe.adapters ?? [] {
                print("adapter \(use.file.path) weight \(use.weight) sha256: \(use.file.hash)")
            }
            print("Precision: \(recipe.precision.rawValue)")
            if let hash = recipe.latentsHash { print("Latents sha256: \(hash)") }
        }
    }

    private func printJSON(_ recipe: PictureRecipe?, _ infotext: Infotext?) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        if let recipe { return print(String(decoding: try encoder.encode(recipe), as: UTF8.self)) }
        guard let infotext else {
            throw GenerationError(picture, expected: "a picture with a recipe", found: "none in it")
        }
        var fields = Dictionary(infotext.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        fields["prompt"] = infotext.prompt
        fields["negative_prompt"] = infotext.negativePrompt
        print(String(decoding: try encoder.encode(fields), as: UTF8.self))
    }
}
