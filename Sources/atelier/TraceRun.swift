import ArgumentParser
import Foundation
import Interpretability
import TensorCore

/// `atelier trace run`: a graph of interventions from a JSON file.
struct TraceRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a graph of interventions from a JSON file.")

    @OptionGroup var model: TextModelOptions
    @Argument(help: "The graph, JSON.")
    var graph: String
    @Flag(help: "Check the graph and print the shapes of what it would save; compute nothing of it.")
    var dryRun = false

    func run() async throws {
        guard let data = FileManager.default.contents(atPath: graph) else {
            throw UsageError(description: "\(graph): expected a file of JSON, found none that can be read")
        }
        let read = try InterventionGraph(json: data)
        let traced = try TracedTextModel(model.load())
        if dryRun {
            let program = try traced.program(read)
            let shapes = Dictionary(uniqueKeysWithValues: read.saves.keys.map { ($0, program.shape($0) ?? []) })
            print(
                try TraceOutput.json(Foreseen(passes: program.passes, savedBytes: program.savedBytes, shapes: shapes)))
            return
        }
        let found = try traced.run(read)
        print(
            try TraceOutput.json(
                Found(
                    passes: found.passes, tokens: found.tokens,
                    values: found.values.mapValues { $0.map { TensorLiteral($0) } })))
    }

    private struct Foreseen: Encodable {
        let passes: Int
        let savedBytes: Int
        let shapes: [String: [Int]]
    }

    private struct Found: Encodable {
        let passes: Int
        let tokens: [[Int]]
        /// By name, one for each step.
        let values: [String: [TensorLiteral]]
    }
}
