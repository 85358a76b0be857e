import Adapters
import ArgumentParser

/// `atelier adapters project-out`: one adapter without another's direction.
struct AdaptersProjectOut: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "project-out", abstract: "Take from an adapter what it has in common with another.")

    @Argument(help: "The adapter.")
    var file: String
    @Argument(help: "The adapter to which the result is orthogonal.")
    var other: String
    @Option(help: "What is orthogonal: every layer by itself, or the whole.")
    var scope: ProjectionScope = .layer
    @OptionGroup var model: AdapterModelOptions
    @OptionGroup var result: AdapterOutputOptions

    func run() throws {
        try result.write(model.adapter(file).projectedOut(model.adapter(other), scope: scope))
    }
}
