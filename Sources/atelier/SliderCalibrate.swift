import Adapters
import ArgumentParser
import Foundation
import Generation
import Imaging
import Measurement
import TensorCore
import World

/// `atelier slider calibrate`: makes scale 1 one standard effect.
struct SliderCalibrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract: "Measure a slider's effect, and note in its file which scale is one standard effect.",
        discussion: """
            One standard effect is a quarter of the trait's range. The unit found is measured, too, and mended until its \
            effect is right within 4 %. Unit, range and curve go into the file's metadata; weights are multiplied with \
            the unit.
            """)

    @Argument(help: "The slider's file.")
    var slider: String
    @Option(name: [.short, .long], help: "The file to write (default: the same).")
    var output: String?
    @Option(parsing: .unconditional, help: "The raw scales to measure, separated by commas, 0 among them.")
    var scales = ScaleList([-4, -2, -1, 0, 1, 2, 4])
    @Option(help: "How often the unit is measured and mended, at most.")
    var rounds = 4
    @OptionGroup var measuring: SliderMeasuring

    func validate() throws {
        guard (0...20).contains(rounds) else { throw ValidationError("--rounds: expected 0 to 20, found \(rounds)") }
    }

    func run() async throws {
        try useThreads(measuring.threads)
        Interrupt.watch()
        let path = output ?? slider
        let job = self
        let calibration = try await ComputeThread.shared.perform { try job.calibrate(path) }
        let off = calibration.error.map { ", its effect off by \(($0 * 1000).rounded() / 10) %" } ?? ""
        print(
            "\(path): unit \(calibration.unit)\(off), range \(calibration.range[0]) to \(calibration.range[1]) units")
    }

    private func calibrate(_ path: String) throws -> SliderCalibration {
        let bench = try measuring.bench()
        var adapter = try Adapter(path: slider, modules: bench.network.modules)
        let gauge = try measuring.gauge(adapter, bench)
        let drawer = try SliderDrawer(
            adapter, model: bench.network, usesUnit: false, steps: bench.steps, guidanceScale: bench.guidanceScale)
        var evaluation = SliderEvaluation()
        evaluation.cases = measuring.cases()
        evaluation.scales = scales.values.sorted()
        var clock = PictureClock(total: evaluation.pictureCount + rounds * measuring.prompts * measuring.seeds)
        func draw(_ cases: [SliderCase], _ variants: [SliderVariant]) throws -> [[Image]] {
            defer { clock.finish(cases.count * variants.count) }
            return try drawer.draw(cases, variants) { try clock.show($0) }
        }
        let name = SliderMeasuring.name(of: adapter)
        let result = try evaluation.run(slider: name, gauge: gauge, draw: draw)
        let calibration = try SliderCalibration(result.report).refined(rounds: rounds, slider: name) { scale in
            let pictures = try draw(result.cases, [.scale(scale)]).map { $0[0] }
            let change = gauge.change(from: result.base, to: try gauge.readings(of: pictures))
            return (change.effect, change.drift)
        }
        guard calibration.isExact || rounds == 0 else {
            let found = calibration.nearest.map {
                "\(($0.error * 1000).rounded() / 10) % at scale \($0.scale), the nearest"
            }
            throw UsageError(
                description: "\(slider): expected a unit within \(SliderCalibration.tolerance * 100) % after \(rounds) "
                    + "rounds, found \(found ?? "none"); give more --rounds, or closer --scales. Nothing was written")
        }
        var note = adapter.sliderNote ?? SliderNote(name: name, base: bench.modelHash)
        note.base = bench.modelHash
        note.unit = calibration.unit
        note.range = calibration.range
        note.curve = calibration.curve
        note.trait = gauge.target.name
        try adapter.setNote(note)
        try adapter.write(to: path, format: .sliders)
        return calibration
    }
}
