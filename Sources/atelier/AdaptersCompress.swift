import Adapters
import ArgumentParser
import Foundation

/// `atelier adapters compress`: the nearest adapter of a rank.
struct AdaptersCompress: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compress", abstract: "Bring an adapter to a rank, losing as little as can be.")

    @Argument(help: "The adapter.")
    var file: String
    @Option(help: "The most rank that a layer keeps.")
    var rank: Int
    @OptionGroup var model: AdapterModelOptions
    @OptionGroup var result: AdapterOutputOptions

    func validate() throws {
        guard rank > 0 else { throw ValidationError("--rank: expected a number above 0, found \(rank)") }
    }

    func run() throws {
        let adapter = try model.adapter(file).compressed(rank: rank)
        try result.write(adapter)
        let kept = adapter.metadata["atelier.kept"].flatMap(Double.init) ?? 1
        FileHandle.standardError.write(Data(String(format: "kept %.2f %% of the sum of squares\n", kept * 100).utf8))
    }
}
