import Adapters
import ArgumentParser
import Drawing
import Foundation
import Generation
import Imaging
import Layers
import Measurement
import TensorCore
import World

/// `atelier eval region`: what a slider that is confined to a region changes outside it.
struct EvalRegion: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "region",
        abstract: "Measure what a slider changes outside its region, with and without a lock.",
        discussion: "Writes report.json, report.md and a sheet of pictures into a folder.")

    @Argument(help: "The slider's file.")
    var slider: String
    @Option(name: [.short, .long], help: "The folder to write into.")
    var output: String
    @Option(help: "left,top,right,bottom as shares of the picture's sides.")
    var box: String?
    @Option(help: "A word, whose place is the region; every prompt then ends with it.")
    var word: String?
    @Option(help: "How much of the word's highest probability a place has (0 to 1).")
    var threshold: Double?
    @Option(help: "How far the edge is softened, as a share of the picture's side.")
    var feather: Double?
    @Option(parsing: .unconditional, help: "The slider's scale.")
    var scale = 1.0
    @Option(parsing: .unconditional, help: "The share of timesteps at which the slider starts (default: its own).")
    var start: Double?
    @Option(help: "What the prompts show: portrait or landscape.")
    var family = SceneFamily.portrait.rawValue
    @Option(help: "The trait that prompts do not name (default: the slider's name).")
    var trait: String?
    @Option(name: [.short, .long], help: "The model that the slider is for.")
    var model = "mini"
    @Option(help: "How many prompts.")
    var prompts = 50
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func validate() throws {
        guard (1...100_000).contains(prompts) else {
            throw ValidationError("--prompts: expected 1 to 100000, found \(prompts)")
        }
        guard SceneFamily(rawValue: family) != nil else {
            throw ValidationError("--family: expected portrait or landscape, found '\(family)'")
        }
        _ = try region(lock: false)
    }

    private func region(lock: Bool) throws -> StackRegion {
        let corners = try box.map { text in
            let numbers = text.split(separator: ",").compactMap { Double($0.trimmingCharacters(in: .whitespaces)) }
            guard numbers.count == 4 else {
                throw ValidationError("--box: expected left,top,right,bottom, found '\(text)'")
            }
            return numbers
        }
        guard (corners == nil) != (word == nil) else {
            throw ValidationError("expected either --box or --word")
        }
        return StackRegion(
            box: corners, word: word, threshold: threshold, feather: feather, lock: lock ? true : nil)
    }

    func run() async throws {
        try useThreads(threads)
        Interrupt.watch()
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        try makeFolder(folder)
        let store = try Assets.store(model, assets: assets)
        let job = self
        let result = try await ComputeThread.shared.perform { try job.measure(store) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(result.report).write(to: folder.appending(path: "report.json"), options: .atomic)
        try Data(result.report.markdown.utf8).write(to: folder.appending(path: "report.md"), options: .atomic)
        try writeImage(result.sheet().draw(), to: folder.appending(path: "sheet.png").path)
        print(result.report.markdown, terminator: "")
    }

    /// Runs on the compute thread.
    private func measure(_ store: any ModelStore) throws -> RegionEvaluation.Result {
        let network = try StableDiffusion(store)
        let defaults = try store.samplingDefaults()
        var use = try AdapterUse(path: slider, weight: scale)
        use.schedule = start.map { StackSchedule(start: $0) }
        let base = use.weighted(0, in: nil)
        let stacks = try [
            base, use.weighted(scale, in: region(lock: false)), use.weighted(scale, in: region(lock: true)),
        ].map { try network.adapters([$0]) }
        // Two cells of the latents.
        var evaluation = RegionEvaluation(margin: 2 * network.latentFactor)
        evaluation.prompts = prompts
        evaluation.family = SceneFamily(rawValue: family) ?? .portrait
        var progress = TerminalProgress(quietInterval: .seconds(20))
        return try evaluation.run(slider: use.name, scale: scale, trait: trait ?? use.name.replacing("-", with: "_")) {
            orders in
            try ComputeThread.shared.concurrently(
                orders.count,
                progress: { done in
                    if Interrupt.isRequested { throw Interrupted() }
                    progress.show("drawing", step: done, total: orders.count)
                }
            ) { index in
                let prompt = word.map { orders[index].prompt + ", " + $0 } ?? orders[index].prompt
                let request = GenerationRequest(
                    prompt: prompt, steps: defaults.steps, guidanceScale: defaults.guidanceScale,
                    seed: orders[index].seed, width: network.defaultSize, height: network.defaultSize)
                let runs = try stacks.map { stack in
                    var run = try Denoising(request, model: network, pass: Pass(adaptation: stack))
                    run.advanceToEnd()
                    return run
                }
                let pictures = try runs.map { try $0.picture() }
                let region = runs[1].adapterRegion?.resized(height: request.height, width: request.width)
                return RegionEvaluation.Drawn(
                    base: pictures[0], free: pictures[1], locked: pictures[2],
                    region: region?.floats ?? [Float](repeating: 0, count: request.height * request.width))
            }
        }
    }
}

extension AdapterUse {
    fileprivate func weighted(_ weight: Double, in region: StackRegion?) -> AdapterUse {
        var copy = self
        copy.weight = weight
        copy.region = region
        return copy
    }
}
