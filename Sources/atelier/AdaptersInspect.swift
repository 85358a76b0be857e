import Adapters
import ArgumentParser
import Foundation
import Generation

/// `atelier adapters inspect`: format, kinds, ranks, fit, hash, metadata.
struct AdaptersInspect: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Say what an adapter file is.")

    @Argument(help: "A safetensors file, or one that torch saved (.pt, .bin).")
    var file: String
    @OptionGroup var model: AdapterModelOptions
    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let stored = try AdapterFile(path: file)
        var options = model
        options.allowUnmatched = true
        let base = try? options.base(of: stored)
        let report = try AdapterInspection(stored, modules: base?.modules, model: base?.name)
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.keyEncodingStrategy = .convertToSnakeCase
            return print(String(decoding: try encoder.encode(report), as: UTF8.self))
        }
        print("\(report.path): \(report.format) keys, \(report.model.map { "for \($0)" } ?? "for no model known here")")
        show("layers", [("in all", report.layers)] + sorted(report.kinds) + sorted(report.parts))
        show("ranks", sorted(report.ranks))
        show("alpha/rank", sorted(report.scales))
        show("numbers", [("in all", report.parameters)] + sorted(report.types))
        if let norm = report.norm { line("norm", String(format: "%.4g", norm)) }
        line("sha256", report.sha256)
        if !report.unmatched.isEmpty {
            let names = report.unmatched.prefix(8).joined(separator: ", ")
            line("unmatched", "\(report.unmatched.count) keys: \(names)\(report.unmatched.count > 8 ? ", ..." : "")")
        }
        for (key, value) in report.metadata.sorted(by: { $0.key < $1.key }) {
            print("  \(key): \(value.count > 200 ? value.prefix(200) + "..." : value[...])")
        }
    }

    private func sorted(_ counts: [String: Int]) -> [(String, Int)] {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    private func show(_ name: String, _ counts: [(String, Int)]) {
        guard !counts.isEmpty else { return }
        line(name, counts.map { "\($0.1) \($0.0)" }.joined(separator: ", "))
    }

    private func line(_ name: String, _ text: String) {
        print("  " + name.padding(toLength: 12, withPad: " ", startingAt: 0) + text)
    }
}
