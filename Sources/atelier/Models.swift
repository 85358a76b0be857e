import ArgumentParser
import Foundation
import Generation
import Layers
import Tokenizers
import Weights

/// `atelier models ...`: what model files are, and their conversion.
struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Inspect and convert model files.", subcommands: [ModelsInspect.self, ModelsConvert.self])
}

/// `atelier models inspect`: family, parts, types, hashes, metadata.
struct ModelsInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Say what a model file or folder is.")

    @Argument(help: "A model folder, a file of weights, or an embedded model.")
    var model: String
    @Flag(help: "Print one JSON object.")
    var json = false
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    func run() throws {
        let inspection = try inspect()
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return print(String(decoding: try encoder.encode(inspection), as: UTF8.self))
        }
        print("\(inspection.path): \(inspection.kind)")
        if let family = inspection.family { print("  family          \(family.rawValue)") }
        for part in inspection.parts {
            let types = part.types.sorted { $0.value > $1.value }.map(\.key).joined(separator: ", ")
            print(
                "  " + part.name.padding(toLength: 16, withPad: " ", startingAt: 0)
                    + "\(part.tensors) tensors, \(part.parameters) parameters, \(types)")
        }
        if inspection.strayKeys > 0 { print("  \(inspection.strayKeys) keys belong to no part") }
        print("  sha256          \(inspection.hash)")
        print("  short hash      \(inspection.shortHash)")
        for (key, value) in inspection.metadata.sorted(by: { $0.key < $1.key }) {
            print("  \(key): \(value.count > 200 ? value.prefix(200) + "..." : value[...])")
        }
    }

    private func inspect() throws -> ModelInspection {
        let path = try Assets.model(model, assets: assets).path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
            return try ModelInspection(Assets.store(model, assets: assets))
        }
        if TensorFile.isGGUF(path) { return try ModelInspection(gguf: path) }
        do {
            return try ModelInspection(file: path, as: Assets.store(model, assets: assets))
        } catch let error where error is GenerationError || error is ConfigurationError {
            // No checkpoint that can be drawn with: an adapter, an embedding, one part of a model.
            return try ModelInspection(file: path, as: nil)
        }
    }
}

/// `atelier models convert`: another layout, another number format.
struct ModelsConvert: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Write a model as a diffusers folder, or as one file (.safetensors).")

    @Argument(help: "A model folder, a checkpoint file, or an embedded model.")
    var model: String
    @Option(
        name: [.short, .long],
        help: "The folder (new, empty, or a former result) or the .safetensors file to write.")
    var output: String
    @Option(help: "The number format of the weights: f32, f16 or bf16 (default: as they are).")
    var type: StoredType?
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    func validate() throws {
        guard !output.isEmpty else { throw ValidationError("--output: expected a folder or a file, found nothing") }
    }

    func run() throws {
        let store = try Assets.store(model, assets: assets)
        let type = type?.dtype
        if output.hasSuffix(".safetensors") {
            try ModelConversion.writeSingleFile(
                store, to: output, floatingPoint: type, vocabulary: CLIPTokenizer(folder: Assets.vocabulary(assets)))
        } else {
            try ModelConversion.writeFolder(
                store, to: URL(filePath: output, directoryHint: .isDirectory), floatingPoint: type)
        }
        print(output)
    }
}
