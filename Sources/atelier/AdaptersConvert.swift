import Adapters
import ArgumentParser

/// `atelier adapters convert`: other keys, another number format.
struct AdaptersConvert: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Write an adapter with other keys or in another number format.",
        discussion: "Formats without a place for alpha get it multiplied into the factors.")

    @Argument(help: "The adapter, a safetensors file or one that torch saved (.pt, .bin).")
    var input: String
    @Argument(help: "The file to write, .safetensors.")
    var output: String
    @Option(
        help: "How keys are spelled: \(AdapterFormat.all.map(\.name).joined(separator: ", ")) (default: as they are).")
    var format: String?
    @Option(help: "The number format of the tensors: f32, f16 or bf16 (default: as they are).")
    var dtype: StoredType?
    @OptionGroup var model: AdapterModelOptions

    func validate() throws {
        do { _ = try format.map(AdapterFormat.find) } catch { throw ValidationError("--\(error)") }
        guard output.hasSuffix(".safetensors") else {
            throw ValidationError("\(output): expected a name that ends in .safetensors")
        }
    }

    func run() throws {
        let adapter = try model.adapter(input, resolvesDecomposition: false)
        let format = try format ?? AdapterFile(path: input).format
        try adapter.write(to: output, format: .find(format), floatingPoint: dtype?.dtype)
        print(output)
    }
}
