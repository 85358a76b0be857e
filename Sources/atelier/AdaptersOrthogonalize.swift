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
        guard !output.isEmpty else { throw ValidationError("--output: expected a folder, found nothing") }
        guard Set(names).count == names.count else {
            throw ValidationError("expected files of different names, found \(names.joined(separator: ", "))")
        }
    }

    private func name(_ file: String) -> String { URL(filePath: file).deletingPathExtension().lastPathComponent }

    private func path(_ file: String) -> String { "\(output)/\(name(file)).safetensors" }

    /// Refuses to take the place of an input, or of any file that this command did not write.
    private func checkOutput() throws {
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        if manager.fileExists(atPath: output, isDirectory: &isFolder), !isFolder.boolValue {
            throw AdapterError(output, expected: "a folder", found: "a file; nothing was written")
        }
        let inputs = Set(files.map { URL(filePath: $0).standardizedFileURL.resolvingSymlinksInPath().path })
        for path in files.map(path) where manager.fileExists(atPath: path) {
            let isInput = inputs.contains(URL(filePath: path).standardizedFileURL.resolvingSymlinksInPath().path)
            guard !isInput, let old = try? AdapterFile(path: path), old.provenance?.isOf("orthogonalize") == true
            else {
                throw AdapterError(
                    path, expected: "no file, or one that orthogonalize wrote",
                    found: "\(isInput ? "one of the inputs" : "another one"); nothing was written")
            }
        }
    }

    func run() throws {
        try checkOutput()
        let results = try Adapter.orthogonalized(files.map { try model.adapter($0) }, scope: scope)
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        for (file, adapter) in zip(files, results) {
            let path = path(file)
            let adapter = try rank.map { try adapter.compressed(rank: $0) } ?? adapter
            try adapter.write(to: path, format: .find(format), floatingPoint: dtype?.dtype)
            print(path)
        }
    }
}
