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
        discussion: "Writes report.json, report.md, a sheet of pictures and a plot into a folder.")

    @Argument(help: "The slider's file.")
    var slider: String
    @Option(name: [.short, .long], help: "The folder to write into.")
    var output: String
    @Option(parsing: .unconditional, help: "The scales, separated by commas, 0 among them.")
    var scales = ScaleList([-2, -1, 0, 1, 2])
    @OptionGroup var measuring: SliderMeasuring

    func run() async throws {
        try useThreads(measuring.threads)
        Interrupt.watch()
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        try makeFolder(folder)
        let store = try Assets.store(measuring.model, assets: measuring.assets)
        let result = try await ComputeThread.shared.perform {
            let network = try StableDiffusion(store)
            let adapter = try Adapter(path: slider, modules: network.modules)
            return try measuring.measure(
                adapter, scales: scales.values, usesUnit: true, network: network, defaults: store.samplingDefaults())
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(result.report).write(to: folder.appending(path: "report.json"), options: .atomic)
        try Data(result.report.markdown.utf8).write(to: folder.appending(path: "report.md"), options: .atomic)
        try writeImage(result.sheet().draw(), to: folder.appending(path: "sheet.png").path)
        try writeImage(result.plot().draw(), to: folder.appending(path: "plot.png").path)
        print(result.report.markdown, terminator: "")
    }
}
