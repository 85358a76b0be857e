import ArgumentParser
import Foundation
import Interpretability
import TensorCore
import TextModels

/// `atelier trace run`: graphs of interventions from a JSON file.
struct TraceRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a graph of interventions, or a session of several, from a JSON file.",
        discussion:
            "A session is {\"graphs\": [...]}; later graphs use what earlier ones saved. Edits are graphs whose first prompt "
            + "stands for every prompt of the file. For a model that draws, a prompt is {\"text\": \"...\", \"seed\": 42}, "
            + "and a step of the graph is one evaluation of the UNet.")

    @Option(
        name: [.short, .long],
        help: "A language model, or a model that draws: a folder, a file, or the name of an embedded or cached one.")
    var model: String
    @Flag(help: "Widen all weights of a language model to 32 bits.")
    var full = false
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?
    @OptionGroup(title: "Models that draw") var drawing: TracedDrawingOptions
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Argument(help: "The graph or session, JSON.")
    var graph: String
    @Option(
        help: "A graph or a set of edits, {\"edits\": [...]}, done to every prompt first; may be given several times.")
    var edit: [String] = []
    @Flag(help: "Check the graphs and print the shapes of what they would save; compute nothing of them.")
    var dryRun = false

    func run() async throws {
        let read = try InterventionSession(json: data(graph))
        var edits = EditSet()
        for path in edit {
            for one in try EditSet(json: data(path)).edits { edits.add(one) }
        }
        let session = try read.edited(by: edits)
        try useThreads(threads)
        guard !TextModelOptions.isLanguageModel(model) else {
            guard !drawing.isGiven else {
                throw UsageError(
                    description: "--model: expected a model that draws beside --sampling-steps, --cfg-scale, --size "
                        + "or --negative-prompt, found the language model \(model)")
            }
            return try trace(session, TracedTextModel(TextModelOptions.load(model, full: full)))
        }
        let store = try Assets.store(model, assets: assets)
        let job = self
        try await ComputeThread.shared.perform {
            let drawn = try TracedDrawing(store, job.drawing)
            try job.trace(drawn.resolved(session), drawn.denoiser)
        }
    }

    private func trace(_ session: InterventionSession, _ traced: some TraceableModel) throws {
        if dryRun {
            try give(traced.programs(session).map(Foreseen.init))
        } else {
            try give(traced.run(session).map(Found.init))
        }
    }

    private func data(_ path: String) throws -> Data {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw UsageError(description: "\(path): expected a file of JSON, found none that can be read")
        }
        return data
    }

    /// One object for one graph, else a list of them.
    private func give(_ results: [some Encodable]) throws {
        print(try results.count == 1 ? TraceOutput.json(results[0]) : TraceOutput.json(results))
    }

    private struct Foreseen: Encodable {
        let passes: Int
        let savedBytes: Int
        let shapes: [String: [Int]]

        init(_ program: TraceProgram) {
            (passes, savedBytes) = (program.passes, program.savedBytes)
            shapes = Dictionary(uniqueKeysWithValues: program.graph.saves.keys.map { ($0, program.shape($0) ?? []) })
        }
    }

    private struct Found: Encodable {
        let passes: Int
        let tokens: [[Int]]
        /// By name, one for each step.
        let values: [String: [TensorLiteral]]

        init(_ result: TraceResult) {
            (passes, tokens) = (result.passes, result.tokens)
            values = result.values.mapValues { $0.map { TensorLiteral($0) } }
        }
    }
}
