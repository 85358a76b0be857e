import Adapters
import ArgumentParser
import Foundation
import Generation

/// `atelier adapters extract`: what one model changes in another, as an adapter.
struct AdaptersExtract: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extract", abstract: "Make an adapter of the difference between two models.")

    @Argument(help: "The tuned model.")
    var tuned: String
    @Argument(help: "The model that it was tuned from.")
    var base: String
    @Option(help: "The most rank that a layer gets.")
    var rank = 32
    @OptionGroup var result: AdapterOutputOptions
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    func validate() throws {
        guard rank > 0 else { throw ValidationError("--rank: expected a number above 0, found \(rank)") }
    }

    func run() throws {
        let stores = try [tuned, base].map { try Assets.store($0, assets: assets) }
        let modules = try ModuleTable(stores[1])
        let inputs = try zip([tuned, base], stores).map { name, store in
            Provenance.Input(name: name, sha256: try store.hash())
        }
        let adapter = try Adapter.extracted(
            from: ModelWeights(stores[0]).weight, base: ModelWeights(stores[1]).weight, modules: modules.modules,
            rank: rank, isXL: modules.parts.contains("text_encoder_2"), inputs: inputs)
        try result.write(adapter)
        let kept = adapter.metadata["atelier.kept"].flatMap(Double.init) ?? 1
        FileHandle.standardError.write(
            Data(
                String(format: "%d layers, kept %.2f %% of the sum of squares\n", adapter.layers.count, kept * 100).utf8
            ))
    }
}
