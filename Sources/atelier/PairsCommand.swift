import ArgumentParser
import Foundation
import Generation
import Imaging
import TensorCore
import Training
import Weights

/// `atelier pairs ...`: the pictures that a visual slider learns from.
struct PairsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pairs", abstract: "Make picture pairs for a visual slider, and the recipe that trains it.",
        subcommands: [PairsWorld.self, PairsStyleGAN.self, PairsFolders.self])
}

/// Where pairs go, and what the recipe beside them says.
struct PairsOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "The folder to write into: a folder for each level, and a recipe.")
    var output: String
    @Option(help: "The slider's name, and that of the recipe.")
    var name: String?
    @Option(name: [.short, .long], help: "The model that the slider is for.")
    var model = "mini"
    @Option(help: "What the pictures with the concept show, for the recipe.")
    var positive = ""
    @Option(help: "What the pictures without it show, for the recipe.")
    var neutral = ""

    func levels(_ scales: [Double]) throws -> LevelFolders {
        guard !output.isEmpty else {
            throw UsageError(description: "--output: expected a folder, found nothing")
        }
        do {
            return try LevelFolders(in: URL(filePath: output, directoryHint: .isDirectory), scales: scales)
        } catch let error as GenerationError {
            throw UsageError(description: "--\(error)")
        }
    }

    /// Writes all pictures, then the recipe, and prints the recipe's path.
    ///
    /// - Parameters:
    ///   - names: of the pictures.
    ///   - pictures: those of a number, in the order of levels.
    func write(
        _ names: [String], to levels: LevelFolders, name: String, origin: String, pictures: (Int) throws -> [Image]
    ) throws {
        guard !names.isEmpty else {
            throw GenerationError(output, expected: "at least one pair", found: "none")
        }
        let name = self.name ?? name
        try LevelFolders.checkName(name)
        try levels.prepare(for: Set(names))
        var progress = TerminalProgress()
        for (index, picture) in names.enumerated() {
            if Interrupt.isRequested { throw Interrupted() }
            try levels.write(picture, pictures(index))
            progress.show("pairs", step: index + 1, total: names.count)
        }
        let recipe = try levels.writeRecipe(
            name: name, model: model, origin: origin, positive: positive, neutral: neutral)
        print(recipe.relativePath)
    }

    /// `00012`
    static func numbered(_ count: Int) -> [String] { (0..<count).map { String(format: "%05d", $0) } }
}

/// Numbers separated by commas: `-2,-1,1,2`.
struct LevelScales: ExpressibleByArgument {
    var numbers: [Double]

    init(_ numbers: [Double]) { self.numbers = numbers }

    init?(argument: String) {
        let read = argument.split(separator: ",", omittingEmptySubsequences: false).map {
            Double($0.trimmingCharacters(in: .whitespaces))
        }
        numbers = read.compactMap { $0 }
        guard numbers.count == read.count, numbers.allSatisfy(\.isFinite) else { return nil }
    }

    var defaultValueDescription: String { numbers.map { "\($0)" }.joined(separator: ",") }
}
