import Adapters
import ArgumentParser
import Foundation
import Generation
import Measurement
import TensorCore

/// `atelier slider ...`: what is done to a slider after it was trained.
struct SliderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slider", abstract: "Calibrate sliders.", subcommands: [SliderCalibrate.self])
}

/// `atelier slider calibrate`: makes scale 1 one standard effect.
struct SliderCalibrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract: "Measure a slider's effect, and note in its file which scale is one standard effect.",
        discussion: "One standard effect is a quarter of the trait's range. Weights are multiplied with the unit found."
    )

    @Argument(help: "The slider's file.")
    var slider: String
    @Option(name: [.short, .long], help: "The file to write (default: the same).")
    var output: String?
    @Option(parsing: .unconditional, help: "The raw scales to measure, separated by commas, 0 among them.")
    var scales = ScaleList([-4, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4])
    @OptionGroup var measuring: SliderMeasuring

    func run() async throws {
        try useThreads(measuring.threads)
        Interrupt.watch()
        let store = try Assets.store(measuring.model, assets: measuring.assets)
        let path = output ?? slider
        let calibration = try await ComputeThread.shared.perform {
            let network = try StableDiffusion(store)
            var adapter = try Adapter(path: slider, modules: network.modules)
            let result = try measuring.measure(
                adapter, scales: scales.values.sorted(), usesUnit: false, network: network,
                defaults: store.samplingDefaults())
            let calibration = try SliderCalibration(result.report)
            var note = try adapter.sliderNote ?? SliderNote(name: adapter.name, base: store.hash())
            note.unit = calibration.unit
            note.range = calibration.range
            try adapter.setNote(note)
            try adapter.write(to: path, format: .sliders)
            return calibration
        }
        print(
            "\(path): unit \(calibration.unit), range \(calibration.range[0]) to \(calibration.range[1]) units")
    }
}
