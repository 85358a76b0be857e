import Adapters
import ArgumentParser
import DiffusionModels
import Drawing
import Foundation
import Generation
import Imaging
import Layers
import Measurement
import Samplers
import TensorCore
import World

/// `atelier eval style`: how well a learnt style comes near the true one, and what it does to the picture.
struct EvalStyle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "style",
        abstract: "Measure a style against the true one, beside plain LoRA scale, a baseline and SDEdit.",
        discussion: "Writes report.json, report.md, a sheet of pictures and a plot into a folder.")

    @Argument(help: "The style, by name or file.")
    var style: String
    @Option(help: "The style of the world that it was learnt from: \(Self.truths).")
    var truth: SceneStyle
    @Option(help: "A baseline, by name or file, from train pair --baseline.")
    var baseline: String?
    @Option(name: [.short, .long], help: "The folder to write into.")
    var output: String
    @Option(name: [.short, .long], help: "The model that the style is for.")
    var model = "mini"
    @Option(parsing: .upToNextOption, help: "Strengths of style guidance.")
    var strengths: [Double] = [0.25, 0.5, 0.75, 1, 1.5]
    @Option(parsing: .upToNextOption, help: "Weights of plain LoRA scale.")
    var weights: [Double] = [0.125, 0.25, 0.5, 0.75, 1]
    @Option(parsing: .upToNextOption, help: "Strengths of SDEdit with the style's words.")
    var edits: [Double] = [0.15, 0.3, 0.5, 0.7, 0.9]
    @Option(help: "How many prompts.")
    var prompts = 100
    @Option(help: "How many seeds for each prompt.")
    var seeds = 2
    @Option(help: "Sampling steps (default: the model's own).")
    var steps: Int?
    @Option(help: "Guidance scale (default: the model's own).")
    var cfgScale: Double?
    @Option(
        help: ArgumentHelp(
            "What distances are taken in: probes; textures, which compares Gram matrices of the probes' maps with the true "
                + "style's, wherever its lines lie; or latents of the model's autoencoder."))
    var metric: Metric = .probes
    @Option(help: "The probes: a folder of portrait-a, portrait-b, landscape-a, landscape-b (default: the embedded).")
    var probes: String?
    @Option(help: "Which probes: b, which no training saw, or a.")
    var probeVersion = "b"
    @Option(help: "A folder of adapters in which names are looked up.")
    var loraModelDir: String?
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    enum Metric: String, ExpressibleByArgument, CaseIterable {
        case probes, textures, latents

        var description: String {
            switch self {
            case .probes: "perceptual distance of the probes"
            case .textures: "Gram matrices of the probes' maps to the style, their perceptual distance to the content"
            case .latents: "mean squared distance of latents"
            }
        }
    }

    /// A way of drawing.
    private enum Way: Sendable {
        case guidance(AdapterStack, StyleGuidance)
        case scale(AdapterStack, StyleGuidance)
        case edit(StyleGuidance)
    }

    func validate() throws {
        for (name, value) in [("prompts", prompts), ("seeds", seeds)] where !(1...100_000).contains(value) {
            throw ValidationError("--\(name): expected 1 to 100000, found \(value)")
        }
        guard (strengths + weights + edits).allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw ValidationError("--strengths, --weights, --edits: expected finite numbers above 0")
        }
        guard truth != .plain else {
            throw ValidationError("--truth: expected a style that plain pictures lack (\(Self.truths)), found plain")
        }
    }

    private static var truths: String {
        SceneStyle.allCases.filter { $0 != .plain }.map(\.rawValue).joined(separator: ", ")
    }

    /// Refuses, before any picture is drawn, an edit that so few steps cannot make.
    private func checkEdits(_ defaults: SamplingDefaults) throws {
        let blank = Image(width: 1, height: 1)
        let request = GenerationRequest(
            prompt: "", steps: steps ?? defaults.steps, guidanceScale: 1, width: blank.width, height: blank.height)
        for edit in edits {
            do {
                try StartingPicture(blank, strength: edit).validate(for: request)
            } catch let error as GenerationError {
                throw UsageError(description: "--edits: expected \(error.expected), found \(error.found)")
            }
        }
    }

    func run() async throws {
        try useThreads(threads)
        Interrupt.watch()
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        try makeFolder(folder)
        let job = self
        let result = try await ComputeThread.shared.perform { try job.measure() }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(result.report).write(to: folder.appending(path: "report.json"), options: .atomic)
        try Data(result.report.markdown.utf8).write(to: folder.appending(path: "report.md"), options: .atomic)
        try writeImage(result.sheet().draw(), to: folder.appending(path: "sheet.png").path)
        try writeImage(result.plot().draw(), to: folder.appending(path: "plot.png").path)
        print(result.report.markdown, terminator: "")
    }

    private func measure() throws -> StyleEvaluation.Result {
        let store = try Assets.store(model, assets: assets)
        let defaults = try store.samplingDefaults()
        try checkEdits(defaults)
        let folders = try StackFolders(loraModelDir: loraModelDir, assets: assets)
        let learnt = try folders.file(of: style)
        let compared = try baseline.map { try folders.file(of: $0) }
        let network = try StableDiffusion(store)
        var ways: [(arm: StyleEvaluation.Arm, way: Way)] = []
        for (path, name, isBaseline) in [(learnt, "style guidance", false), (compared, "DreamBooth", true)] {
            guard let path else { continue }
            let guidance = try StyleUse(path: path).resolved(branch: 0).guidance
            let adapter = try Adapter(path: path, modules: network.modules)
            let inBranch = try AdapterStack(
                [StackEntry(adapter, rows: .only([.style(0)]))], sites: network.sites)
            let start = Schedule.starting(atNoise: guidance.start * Double(network.scheduler.trainTimesteps))
            let everywhere = try AdapterStack([StackEntry(adapter, schedule: start)], sites: network.sites)
            ways.append(
                (.init(isBaseline ? name + ", style guidance" : name, strengths), .guidance(inBranch, guidance)))
            ways.append((.init(isBaseline ? name : "LoRA scale", weights), .scale(everywhere, guidance)))
            if !isBaseline { ways.append((.init("SDEdit", edits), .edit(guidance))) }
        }
        var evaluation = StyleEvaluation()
        (evaluation.prompts, evaluation.seeds) = (prompts, seeds)
        func request(_ order: PictureOrder) -> GenerationRequest {
            GenerationRequest(
                prompt: order.prompt, steps: steps ?? defaults.steps, guidanceScale: cfgScale ?? defaults.guidanceScale,
                seed: order.seed, width: network.defaultSize, height: network.defaultSize)
        }
        var progress = TerminalProgress(quietInterval: .seconds(20))
        func drawn(
            _ label: String, _ orders: [PictureOrder], _ draw: @Sendable (Int) throws -> Denoising
        ) throws -> [Image] {
            try ComputeThread.shared.concurrently(
                orders.count,
                progress: { done in
                    if Interrupt.isRequested { throw Interrupted() }
                    progress.show(label, step: done, total: orders.count)
                }
            ) { index in
                var denoising = try draw(index)
                denoising.advanceToEnd()
                return try denoising.picture()
            }
        }
        let distances = try distances(network)
        return try evaluation.run(
            style: truth, arms: ways.map(\.arm), metric: metric.description, distance: distances.content,
            styleDistance: distances.style,
            plain: { orders in
                let requests = orders.map(request)
                return try drawn("plain", orders) { try Denoising(requests[$0], model: network) }
            },
            draw: { arm, strength, orders, plain in
                let (way, requests) = (ways[arm].way, orders.map(request))
                return try drawn("\(ways[arm].arm.name) \(strength)", orders) { index in
                    try Self.denoising(way, strength, requests[index], plain[index], network)
                }
            })
    }

    private static func denoising(
        _ way: Way, _ strength: Double, _ request: GenerationRequest, _ plain: Image, _ network: StableDiffusion
    ) throws -> Denoising {
        var request = request
        switch way {
        case .guidance(let stack, var guidance):
            guidance.strength = strength
            request.styles = [guidance]
            return try Denoising(request, model: network, pass: Pass(adaptation: stack))
        case .scale(let stack, let guidance):
            request.prompt += " " + guidance.phrase
            return try Denoising(request, model: network, pass: Pass(adaptation: stack.weighted([strength])))
        case .edit(let guidance):
            request.prompt += " " + guidance.phrase
            let start = StartingPicture(plain, strength: strength)
            return try Denoising(request, model: network, startingFrom: start)
        }
    }

    /// The distance to what pictures show, and that to the true style where it is another one.
    private func distances(
        _ network: StableDiffusion
    ) throws -> (content: StyleEvaluation.Distance, style: StyleEvaluation.Distance?) {
        guard metric != .latents else {
            let ofLatents: StyleEvaluation.Distance = { a, b in
                zip(a, b).map { first, second in
                    let read = network.autoencoder.encode(Tensor(images: [first, second]), Pass()).mean
                    let halves = network.autoencoder.scaled(read).chunked(0, count: 2)
                    return Double(mean(square(halves[0] - halves[1])).item)
                }
            }
            return (ofLatents, nil)
        }
        let folder = try probes ?? Assets.folder(assets).appending(path: "probes").path
        let pair = try ProbePair(folder: folder, version: probeVersion)
        /// The mean of what both probes say.
        func both(
            _ one: @escaping (_ probe: Probe, _ a: [Image], _ b: [Image]) -> [Double]
        ) -> StyleEvaluation.Distance {
            { a, b in zip(one(pair.portrait, a, b), one(pair.landscape, a, b)).map { ($0 + $1) / 2 } }
        }
        let textures = metric == .textures ? both { $0.textureDistances($1, $2) } : nil
        return (both { $0.perceptualDistances($1, $2) }, textures)
    }
}
