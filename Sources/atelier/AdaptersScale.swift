import Adapters
import ArgumentParser

/// `atelier adapters scale`: an adapter times a number.
struct AdaptersScale: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale", abstract: "Multiply an adapter by a number.")

    @Argument(help: "The adapter.")
    var file: String
    @Option(parsing: .unconditional, help: "The number.")
    var by: Double
    @OptionGroup var model: AdapterModelOptions
    @OptionGroup var result: AdapterOutputOptions

    func validate() throws {
        guard by.isFinite else { throw ValidationError("--by: expected a finite number, found \(by)") }
    }

    func run() throws { try result.write(model.adapter(file).scaled(by)) }
}
