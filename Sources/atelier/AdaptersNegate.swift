import Adapters
import ArgumentParser

/// `atelier adapters negate`: the opposite direction.
struct AdaptersNegate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "negate", abstract: "Make the adapter that does the opposite.")

    @Argument(help: "The adapter.")
    var file: String
    @OptionGroup var model: AdapterModelOptions
    @OptionGroup var result: AdapterOutputOptions

    func run() throws { try result.write(model.adapter(file).negated()) }
}
