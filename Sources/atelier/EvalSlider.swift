import Adapters
import ArgumentParser
import Drawing
import Foundation
import Generation
import Imaging
import Measurement
import TensorCore

/// `atelier eval slider`: what a slider changes, and what it should have left alone.
struct EvalSlider: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slider",
        abstract: "Measure what a slider changes, by what probes read from pictures at several scales.",
        discussion: """
            Writes report.json, report.md, report.html, sheets of pictures and a plot into a folder. The rows of \
            --baselines and --beside are drawn over the prompts that have words for the trait.
            """)

    @Argument(help: "The slider's file.")
    var slider: String
    @Option(name: [.short, .long], help: "The folder to write into.")
    var output: String
    @Option(parsing: .unconditional, help: "The scales, separated by commas, 0 among them.")
    var scales = ScaleList([-2, -1, 0, 1, 2])
    @Option(help: "Prompts of the profiles over timesteps and layers; 0 leaves them out.")
    var profilePrompts = 8
    @Option(help: "Windows of the timesteps in the profile.")
    var windows = 5
    @Flag(help: "Put changed words, prompt-to-prompt and a training-free direction beside the slider.")
    var baselines = false
    @Option(help: "The strength of the training-free direction.")
    var directionScale = 2.0
    @Option(parsing: .upToNextOption, help: "Further sliders to put beside it, as without preserved attributes.")
    var beside: [String] = []
    @Option(help: "Seeds of each prompt for --baselines and --beside.")
    var besideSeeds = 1
    @OptionGroup var measuring: SliderMeasuring

    func validate() throws {
        guard (0...100_000).contains(profilePrompts), (1...100).contains(windows), besideSeeds > 0 else {
            throw ValidationError(
                "expected --profile-prompts from 0, --windows 1 to 100, --beside-seeds from 1, found "
                    + "\(profilePrompts), \(windows), \(besideSeeds)")
        }
        guard !baselines && beside.isEmpty || scales.values.contains(1) else {
            throw ValidationError("--scales: expected 1 among them for --baselines and --beside")
        }
    }

    func run() async throws {
        try useThreads(measuring.threads)
        Interrupt.watch()
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        try makeFolder(folder)
        let job = self
        let result = try await ComputeThread.shared.perform { try job.measure() }
        try result.report.json().write(to: folder.appending(path: "report.json"), options: .atomic)
        try Data(result.report.markdown.utf8).write(to: folder.appending(path: "report.md"), options: .atomic)
        var pictures = [("sheet.png", "Along the scales"), ("plot.png", "The change of each trait")]
        try writeImage(result.sheet().draw(), to: folder.appending(path: "sheet.png").path)
        try writeImage(result.plot().draw(), to: folder.appending(path: "plot.png").path)
        if let sheet = result.waySheet() {
            try writeImage(sheet.draw(), to: folder.appending(path: "ways.png").path)
            pictures.append(("ways.png", "Beside other ways"))
        }
        let page = result.report.html(pictures: pictures.map { (file: $0.0, title: $0.1) })
        try Data(page.utf8).write(to: folder.appending(path: "report.html"), options: .atomic)
        print(result.report.markdown, terminator: "")
    }

    private func measure() throws -> SliderEvaluation.Result {
        let bench = try measuring.bench()
        let adapter = try Adapter(path: slider, modules: bench.network.modules)
        let others = try beside.map { try Adapter(path: $0, modules: bench.network.modules) }
        let gauge = try measuring.gauge(adapter, bench)
        let drawer = try SliderDrawer(
            adapter, model: bench.network, usesUnit: true, others: others, steps: bench.steps,
            guidanceScale: bench.guidanceScale)
        var evaluation = SliderEvaluation()
        evaluation.cases = measuring.cases()
        evaluation.scales = scales.values
        evaluation.extras.profilePrompts = profilePrompts
        evaluation.extras.windows = windows
        evaluation.extras.blocks = drawer.blocks
        evaluation.extras.waySeeds = besideSeeds
        evaluation.extras.ways = beside.enumerated().map { number, path in
            (URL(filePath: path).deletingPathExtension().lastPathComponent, .beside(number))
        }
        if baselines {
            evaluation.extras.ways += [
                ("the prompt's words", .words), ("prompt-to-prompt", .exchange),
                ("direction, \(directionScale)", .direction(directionScale)),
            ]
        }
        var clock = PictureClock(total: evaluation.pictureCount)
        var result = try evaluation.run(slider: SliderMeasuring.name(of: adapter), gauge: gauge) { cases, variants in
            defer { clock.finish(cases.count * variants.count) }
            return try drawer.draw(cases, variants) { try clock.show($0) }
        }
        if profilePrompts > 0 { result.report.layers = try drawer.layerShares() }
        return result
    }
}

extension Encodable {
    /// Indented JSON with sorted keys.
    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}
