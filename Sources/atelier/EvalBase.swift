import ArgumentParser
import Drawing
import Foundation
import Generation
import Imaging
import Measurement
import Samplers
import TensorCore

/// `atelier eval base`: how well a model of the world's pictures follows its captions.
struct EvalBase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "base",
        abstract: "Judge the embedded model, or one trained like it, by what probes read from its pictures.",
        discussion: "Writes report.json, report.md and sheets of pictures into a folder.")

    @Option(name: [.short, .long], help: "A model folder, or the name of an embedded model.")
    var model = "mini"
    @Option(name: [.short, .long], help: "The folder to write into.")
    var output: String
    @Option(help: "Held-out captions, and as many of unseen combinations.")
    var captions = 256
    @Option(help: "Rows of captions for each ordered attribute.")
    var rows = 64
    @Option(help: "Pictures in each set that a Fréchet distance compares.")
    var pictures = 1024
    @Option(help: "Sampling steps (default: the model's own).")
    var steps: Int?
    @Option(help: "Guidance scale (default: the model's own).")
    var cfgScale: Double?
    @Option(help: "The probes: a folder of portrait-a, portrait-b, landscape-a, landscape-b (default: the embedded).")
    var probes: String?
    @Option(help: "Which probes: b, which no training saw, or a.")
    var probeVersion = "b"
    @Option(help: "Also put the figures into this model card (Markdown), with pictures beside it.")
    var card: String?
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @OptionGroup var device: DeviceOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func validate() throws {
        for (name, value, range) in [
            ("captions", captions, 1...100_000), ("rows", rows, 1...10_000), ("pictures", pictures, 2...100_000),
            ("steps", steps ?? 1, 1...1000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name): expected \(range.lowerBound) to \(range.upperBound), found \(value)")
        }
        guard ["a", "b"].contains(probeVersion) else {
            throw ValidationError("--probe-version: expected a or b, found '\(probeVersion)'")
        }
    }

    func run() async throws {
        try useThreads(threads)
        Interrupt.watch()
        let store = try Assets.store(model, assets: assets)
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        try makeFolder(folder)
        let probeFolder = try probes ?? Assets.folder(assets).appending(path: "probes").path
        let result = try await ComputeThread.shared.perform { try measure(store, probeFolder) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(result.report).write(to: folder.appending(path: "report.json"), options: .atomic)
        try Data(result.report.markdown.utf8).write(to: folder.appending(path: "report.md"), options: .atomic)
        let sheets = [
            ("Held-out captions", "captions", result.captionSheet().draw()),
            ("Combinations that were left out of training", "unseen", result.unseenSheet().draw()),
            ("One word at a time", "orders", result.orderSheet().draw()),
        ]
        for (_, name, sheet) in sheets { try writeImage(sheet, to: folder.appending(path: name + ".png").path) }
        if let card { try write(card, result.report, sheets, store) }
        print(result.report.markdown, terminator: "")
    }

    /// Fills the measured part of a card, and writes its pictures beside it as JPEG files.
    private func write(
        _ card: String, _ report: BaseReport, _ sheets: [(String, String, Image)], _ store: any ModelStore
    ) throws {
        let path = URL(filePath: card)
        let stem = path.deletingPathExtension().lastPathComponent
        let folder = path.deletingLastPathComponent()
        try makeFolder(folder)
        let history = try TrainingHistory(folder: URL(filePath: store.path).appending(path: "training"))
        var pictures = [("Training", "\(stem)-training.png", history.plot())]
        pictures += sheets.map { ($0.0, "\(stem)-\($0.1).jpg", $0.2) }
        for (_, file, picture) in pictures { try writeImage(picture, to: folder.appending(path: file).path) }
        let parts = try ModelInspection(store).parts.map { ($0.name, $0.parameters) }
        let measured = ModelCard(
            report: report, history: history, parts: parts, pictures: pictures.map { ($0.0, $0.1) })
        let text = (try? String(contentsOf: path, encoding: .utf8)) ?? ""
        try Data(measured.written(into: text).utf8).write(to: path, options: .atomic)
    }

    private func measure(_ store: any ModelStore, _ probeFolder: String) throws -> BaseEvaluation.Result {
        let probes = try ProbePair(folder: probeFolder, version: probeVersion)
        let model = try StableDiffusion(store, device: try device.backend())
        let defaults = try store.samplingDefaults()
        let (steps, scale) = (steps ?? defaults.steps, cfgScale ?? defaults.guidanceScale)
        let report = BaseReport(
            model: self.model, modelHash: try store.hash(), probes: probeVersion,
            sampler: model.scheduler.samplerName, steps: steps, guidanceScale: scale)
        var evaluation = BaseEvaluation()
        evaluation.captions = captions
        evaluation.rowsPerOrder = rows
        evaluation.frechetPictures = pictures
        evaluation.size = model.defaultSize
        var progress = TerminalProgress(quietInterval: .seconds(20))
        return try evaluation.run(
            report, probes: probes,
            draw: { orders in
                let requests = orders.map { order in
                    GenerationRequest(
                        prompt: order.prompt, steps: steps, guidanceScale: scale, seed: order.seed,
                        width: model.defaultSize, height: model.defaultSize)
                }
                return try model.pictures(of: requests) { done in
                    if Interrupt.isRequested { throw Interrupted() }
                    progress.show("drawing", step: done, total: orders.count)
                }
            },
            autoencode: { pictures in
                try model.autoencoder.roundTrips(pictures.count) { pictures[$0] }
            })
    }
}

/// Makes a folder to write into.
func makeFolder(_ folder: URL) throws {
    do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
        throw OutputError(description: "\(folder.path): expected a folder that can be written, found none")
    }
}
