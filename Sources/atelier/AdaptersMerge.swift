import Adapters
import ArgumentParser
import Foundation
import Generation
import Tokenizers

/// `atelier adapters merge`: a model with adapters in its weights.
struct AdaptersMerge: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Write a model with adapters added to its weights.")

    @Argument(help: "A model folder, a checkpoint file, or an embedded model.")
    var base: String
    @Argument(help: "Adapters with their weights, FILE=0.8 (default weight 1).")
    var files: [WeightedFile]
    @Option(
        name: [.short, .long],
        help: "The folder (new, empty, or a former result) or the .safetensors file to write.")
    var output: String
    @Option(help: "The number format of the weights: f32, f16 or bf16 (default: as they are).")
    var type: StoredType?
    @Flag(help: "Leave out keys that belong to no layer of the model.")
    var allowUnmatched = false
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    func validate() throws {
        guard !output.isEmpty else { throw ValidationError("--output: expected a folder or a file, found nothing") }
    }

    func run() throws {
        let store = try Assets.store(base, assets: assets)
        let modules = try ModuleTable(store)
        let adapters = try files.map { file in
            (
                adapter: try Adapter(path: file.path, modules: modules, allowsUnmatched: allowUnmatched),
                strength: file.weight
            )
        }
        let merged = try MergedStore(store, adapters, floatingPoint: type?.dtype)
        if output.hasSuffix(".safetensors") {
            try ModelConversion.writeSingleFile(
                merged, to: output, floatingPoint: type?.dtype,
                vocabulary: CLIPTokenizer(folder: Assets.vocabulary(assets)))
        } else {
            try ModelConversion.writeFolder(
                merged, to: URL(filePath: output, directoryHint: .isDirectory), floatingPoint: type?.dtype)
        }
        print(output)
    }
}
