import Adapters
import ArgumentParser

/// `atelier adapters interpolate`: a mixture of two.
struct AdaptersInterpolate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interpolate", abstract: "Mix two adapters: (1 - position) A + position B.")

    @Argument(help: "The adapter at position 0.")
    var first: String
    @Argument(help: "The adapter at position 1.")
    var second: String
    @Option(parsing: .unconditional, help: "The position; below 0 or above 1 goes on beyond an end.")
    var at = 0.5
    @OptionGroup var model: AdapterModelOptions
    @OptionGroup var result: AdapterOutputOptions

    func validate() throws {
        guard at.isFinite else { throw ValidationError("--at: expected a finite number, found \(at)") }
    }

    func run() throws {
        try result.write(.interpolated(model.adapter(first), model.adapter(second), at: at))
    }
}
