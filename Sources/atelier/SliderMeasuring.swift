import Adapters
import ArgumentParser
import Foundation
import Generation
import Measurement
import TensorCore

/// What commands that measure sliders share: the model, the probes, how pictures are drawn.
struct SliderMeasuring: ParsableArguments {
    @Option(name: [.short, .long], help: "The model that the sliders are for.")
    var model = "mini"
    @Option(help: "The trait that the slider moves (default: what its file says, or its name).")
    var trait: String?
    @Option(help: "How many prompts.")
    var prompts = 50
    @Option(help: "How many seeds for each prompt.")
    var seeds = 4
    @Option(help: "Sampling steps (default: the model's own).")
    var steps: Int?
    @Option(help: "Guidance scale (default: the model's own).")
    var cfgScale: Double?
    @Option(help: "The probes: a folder of portrait-a, portrait-b, landscape-a, landscape-b (default: the embedded).")
    var probes: String?
    @Option(help: "Which probes: b, which no training saw, or a.")
    var probeVersion = "b"
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func validate() throws {
        for (name, value) in [("prompts", prompts), ("seeds", seeds)] where !(1...100_000).contains(value) {
            throw ValidationError("--\(name): expected 1 to 100000, found \(value)")
        }
        guard (1...1000).contains(steps ?? 1) else {
            throw ValidationError("--steps: expected 1 to 1000, found \(steps ?? 1)")
        }
        guard ["a", "b"].contains(probeVersion) else {
            throw ValidationError("--probe-version: expected a or b, found '\(probeVersion)'")
        }
    }

    /// The model that is measured on, with what it is drawn with.
    struct Bench: Sendable {
        let network: StableDiffusion
        let modelHash: String
        let probes: ProbePair
        var steps: Int
        var guidanceScale: Double
    }

    /// Runs on the compute thread.
    func bench() throws -> Bench {
        let store = try Assets.store(model, assets: assets)
        let defaults = try store.samplingDefaults()
        let folder = try probes ?? Assets.folder(assets).appending(path: "probes").path
        return Bench(
            network: try StableDiffusion(store), modelHash: try store.hash(),
            probes: try ProbePair(folder: folder, version: probeVersion), steps: steps ?? defaults.steps,
            guidanceScale: cfgScale ?? defaults.guidanceScale)
    }

    /// The name of the trait that a slider is to move.
    func trait(of adapter: Adapter) -> String {
        trait ?? adapter.sliderNote?.trait ?? SliderGauge.trait(ofSlider: Self.name(of: adapter))
    }

    func gauge(_ adapter: Adapter, _ bench: Bench) throws -> SliderGauge {
        do {
            return try SliderGauge(trait(of: adapter), probes: bench.probes)
        } catch let error as MeasurementError {
            throw UsageError(description: "--trait: expected \(error.expected), found '\(error.found)'")
        }
    }

    static func name(of adapter: Adapter) -> String {
        adapter.sliderNote?.name ?? URL(filePath: adapter.name).deletingPathExtension().lastPathComponent
    }

    func cases() -> SliderCases { SliderCases(prompts: prompts, seeds: seeds) }
}

/// Shows how many pictures of a whole measurement are drawn, and how long the rest takes.
struct PictureClock {
    private let total: Int
    private let start = ContinuousClock.now
    private var progress = TerminalProgress(quietInterval: .seconds(20))
    /// Pictures of the parts before the present one.
    private var before = 0

    init(total: Int) { self.total = total }

    /// - Throws: `Interrupted` once the user asked for an end.
    mutating func show(_ done: Int) throws {
        if Interrupt.isRequested { throw Interrupted() }
        let drawn = min(before + done, total)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let left = drawn == 0 ? nil : seconds / Double(drawn) * Double(total - drawn)
        progress.show("drawing", step: drawn, total: total, secondsLeft: left)
    }

    /// Begins the next part.
    mutating func finish(_ pictures: Int) { before += pictures }
}

/// Scales of a slider, separated by commas.
struct ScaleList: ExpressibleByArgument {
    let values: [Double]

    init(_ values: [Double]) { self.values = values }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
            .map { Double($0.trimmingCharacters(in: .whitespaces)) }
        let values = parts.compactMap { $0 }.filter(\.isFinite)
        guard values.count == parts.count, values.count >= 2, values.contains(0) else { return nil }
        self.values = values
    }

    var defaultValueDescription: String { values.map { "\($0)" }.joined(separator: ",") }
}
