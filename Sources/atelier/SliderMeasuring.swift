import Adapters
import ArgumentParser
import Foundation
import Generation
import Imaging
import Layers
import Measurement
import TensorCore
import World

/// What commands that measure sliders share: the model, the probes, the pictures.
struct SliderMeasuring: ParsableArguments {
    @Option(name: [.short, .long], help: "The model that the sliders are for.")
    var model = "mini"
    @Option(help: "The trait that the slider moves (default: the one that its name or note says).")
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
        guard ["a", "b"].contains(probeVersion) else {
            throw ValidationError("--probe-version: expected a or b, found '\(probeVersion)'")
        }
    }

    /// Runs on the compute thread.
    ///
    /// - Parameter usesUnit: whether scales are in the slider's own units, once it has one.
    func measure(
        _ adapter: Adapter, scales: [Double], usesUnit: Bool, network: StableDiffusion, defaults: SamplingDefaults
    ) throws -> SliderEvaluation.Result {
        let folder = try probes ?? Assets.folder(assets).appending(path: "probes").path
        let pair = try ProbePair(folder: folder, version: probeVersion)
        let name = try trait ?? target(of: adapter)
        guard let family = SceneFamily.allCases.first(where: { pair[$0].index(of: name) != nil }) else {
            throw UsageError(
                description: "--trait: expected one of "
                    + SceneFamily.allCases.flatMap { pair[$0].traits.map(\.name) }.joined(separator: ", ")
                    + ", found '\(name)'")
        }
        var evaluation = SliderEvaluation()
        evaluation.prompts = prompts
        evaluation.seeds = seeds
        evaluation.scales = scales
        let unit = usesUnit ? adapter.sliderNote?.unit ?? 1 : 1
        let (steps, guidanceScale) = (steps ?? defaults.steps, cfgScale ?? defaults.guidanceScale)
        var progress = TerminalProgress(quietInterval: .seconds(20))
        return try evaluation.run(
            slider: adapter.sliderNote?.name ?? adapter.name, trait: name, family: family, probes: pair
        ) { orders, scales in
            let plain = try AdapterStack([StackEntry(adapter)], sites: network.sites)
            return try ComputeThread.shared.concurrently(
                orders.count,
                progress: { done in
                    if Interrupt.isRequested { throw Interrupted() }
                    progress.show("drawing", step: done, total: orders.count)
                }
            ) { index in
                let request = GenerationRequest(
                    prompt: orders[index].prompt, steps: steps, guidanceScale: guidanceScale, seed: orders[index].seed,
                    width: network.defaultSize, height: network.defaultSize)
                return try scales.map { scale in
                    var denoising = try Denoising(
                        request, model: network, pass: Pass(adaptation: plain.weighted([scale * unit])))
                    denoising.advanceToEnd()
                    return denoising.picture()
                }
            }
        }
    }

    private func target(of adapter: Adapter) throws -> String {
        let name = adapter.sliderNote?.name ?? URL(filePath: adapter.name).deletingPathExtension().lastPathComponent
        return name.replacing("-", with: "_")
    }
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
