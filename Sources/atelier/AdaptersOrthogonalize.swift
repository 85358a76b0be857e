import Adapters
import ArgumentParser
import Foundation

/// `atelier adapters orthogonalize`: a set of which no two have anything in common.
struct AdaptersOrthogonalize: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "orthogonalize",
        abstract: "Take from each adapter of a set what it has in common with those before it.",
        discussion: "The first stays as it is. The files keep their names in the output folder.")

    @Argument(help: "The adapters, the most important first.")
    var files: [String]
    @Option(name: [.short, .long], help: "The folder for the results.")
    var output: String
    @Option(help: "What is orthogonal: every layer by itself, or the whole.")
    var scope: ProjectionScope = .layer
    @Option(help: "The most rank that a result may have (default: as much as it needs).")
    var rank: Int?
    @Option(help: "How keys are spelled: \(AdapterFormat.all.map(\.name).joined(separator: ", ")).")
    var format = "kohya"
    @Option(help: "The number format of the tensors: f32, f16 or bf16 (default: as they are).")
    var dtype: StoredType?
    @OptionGroup var model: AdapterModelOptions

    func validate() throws {
        do { _ = try AdapterFormat.find(format) } catch { throw ValidationError("--\(error)") }
        guard files.count > 1 else { throw ValidationError("expected several adapters, found \(files.count)") }
        guard rank ?? 1 > 0 else { throw ValidationError("--rank: expected a number above 0, found \(rank ?? 0)") }
        let names = files.map(name)
        guard Set(names).count == names.count else {
            throw ValidationError("expected files of different names, found \(names.joined(separator: ", "))")
        }
    }

    private func name(_ file: String) -> String { URL(filePath: file).deletingPathExtension().lastPathComponent }

    func run() throws {
        let results = try Adapter.orthogonalized(files.map { try model.adapter($0) }, scope: scope)
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        for (file, adapter) in zip(files, results) {
            let path = "\(output)/\(name(file)).safetensors"
            let adapter = try rank.map { try adapter.compressed(rank: $0) } ?? adapter
            try adapter.write(to: path, format: .find(format), floatingPoint: dtype?.dtype)
            print(path)
        }
    }
}
