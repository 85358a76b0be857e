import Adapters
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
                for line in use.details { print("  \(line)") }
            }
            for direction in recipe.request.directions ?? [] {
                let start = direction.start.map { " start \($0)" } ?? ""
                print("direction \"\(direction.positive)|\(direction.negative)\" scale \(direction.scale)\(start)")
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

extension AdapterUse {
    /// When, where and how it acts, as far as it is told: a line each.
    fileprivate var details: [String] {
        var lines: [String] = []
        if let schedule {
            var parts: [String] = []
            if let start = schedule.start { parts.append("start \(start)") }
            if let axis = schedule.axis { parts.append("axis \(axis)") }
            if let from = schedule.from { parts.append("from \(from)") }
            if let to = schedule.to { parts.append("to \(to)") }
            if let curve = schedule.curve { parts.append("curve \(curve)") }
            lines.append(parts.joined(separator: " "))
        }
        if let region {
            var parts: [String] = []
            if let box = region.box { parts.append("box \(box)") }
            if let mask = region.mask { parts.append("mask \(mask.path) sha256: \(mask.hash)") }
            if let word = region.word { parts.append("word \"\(word)\"") }
            if let threshold = region.threshold { parts.append("threshold \(threshold)") }
            if let feather = region.feather { parts.append("feather \(feather)") }
            if region.lock == true { parts.append("locked") }
            lines.append("region " + parts.joined(separator: " "))
        }
        if let gains { lines.append("gains " + gains.map { "\($0.part)=\($0.gain)" }.joined(separator: " ")) }
        if let branch { lines.append("branch \(branch.rawValue)") }
        if let styleBranch { lines.append("style branch \(styleBranch)") }
        if let combine { lines.append("combine \(combine.rawValue)") }
        return lines
    }
}
