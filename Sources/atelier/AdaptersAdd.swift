import Adapters
import ArgumentParser

/// `atelier adapters add`: the weighted sum.
struct AdaptersAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add adapters, each with a weight.",
        discussion: "Low-rank changes stand side by side: the rank of the sum is the sum of the ranks; see compress.")

    @Argument(help: "Adapters with their weights, FILE=0.8 (default weight 1).")
    var files: [WeightedFile]
    @OptionGroup var model: AdapterModelOptions
    @OptionGroup var result: AdapterOutputOptions

    func run() throws {
        try result.write(.sum(files.map { (try model.adapter($0.path), $0.weight) }))
    }
}
