import Adapters
import ArgumentParser
import Foundation
import Generation
import Imaging
import Layers
import Measurement
import TensorCore
import World

/// `atelier slider test`: holds a slider to what it did when its bank was written.
struct SliderTest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Hold a slider to a locked bank of pictures: effects, monotonicity, neutrality, nothing at scale 0.",
        discussion: """
            The bank lies beside the slider (NAME.bank.json) unless --bank names it; --write-bank measures and writes it. \
            Ends with exit code 1 when something fails.
            """)

    @Argument(help: "The slider's file.")
    var slider: String
    @Option(help: "The bank's file.")
    var bank: String?
    @Flag(help: "Write the bank from what the slider does now.")
    var writeBank = false
    @Option(parsing: .unconditional, help: "The scales of a new bank, separated by commas, 0 and 1 among them.")
    var scales = ScaleList([-2, -1, 0, 1, 2])
    @OptionGroup var measuring: SliderMeasuring

    func validate() throws {
        guard scales.values.contains(1) else { throw ValidationError("--scales: expected 0 and 1 among them") }
    }

    private var path: String {
        bank ?? URL(filePath: slider).deletingPathExtension().path + ".bank.json"
    }

    func run() async throws {
        try useThreads(measuring.threads)
        Interrupt.watch()
        let job = self
        let findings = try await ComputeThread.shared.perform { try job.test() }
        for finding in findings { print(finding) }
        if writeBank { print(path) }
        if findings.contains(where: { !$0.isGood }) { throw ExitCode.failure }
    }

    private func test() throws -> [SliderBank.Finding] {
        let known = writeBank ? nil : try read()
        var bench = try measuring.bench()
        if let known {
            guard known.model == bench.modelHash else {
                throw GenerationError(
                    path, expected: "a bank of this model (\(bench.modelHash.prefix(12)))",
                    found: String(known.model.prefix(12)))
            }
            (bench.steps, bench.guidanceScale) = (known.steps, known.guidanceScale)
        }
        let adapter = try Adapter(path: slider, modules: bench.network.modules)
        var wanted = measuring
        wanted.trait = measuring.trait ?? known?.trait
        let gauge = try wanted.gauge(adapter, bench)
        let drawer = try SliderDrawer(
            adapter, model: bench.network, usesUnit: true, steps: bench.steps, guidanceScale: bench.guidanceScale)
        let other: SceneFamily = gauge.family == .portrait ? .landscape : .portrait
        let cases = known?.cases ?? measuring.cases()(family: gauge.family, without: [gauge.target.name])
        let bystanders =
            known?.bystanders
            ?? SliderCases(prompts: min(8, measuring.prompts), seeds: 1)(family: other, without: [])
        let scales = known?.scales ?? self.scales.values
        var clock = PictureClock(total: cases.count * scales.count + min(cases.count, 4) + 2 * bystanders.count)
        let trial = try SliderBank.trial(
            cases, bystanders: bystanders, scales: scales, gauge: gauge, probes: bench.probes
        ) { cases, variants in
            defer { clock.finish(cases.count * variants.count) }
            return try drawer.draw(cases, variants) { try clock.show($0) }
        }
        if let known { return known.findings(trial) }
        let new = SliderBank(
            trial, slider: SliderMeasuring.name(of: adapter), trait: gauge.target.name, model: bench.modelHash,
            steps: bench.steps, guidanceScale: bench.guidanceScale, cases: cases, bystanders: bystanders,
            scales: scales)
        try new.json().write(to: URL(filePath: path), options: .atomic)
        return new.findings(trial)
    }

    private func read() throws -> SliderBank {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw GenerationError(path, expected: "a bank (make one with --write-bank)", found: "nothing there")
        }
        do {
            let bank = try JSONDecoder().decode(SliderBank.self, from: data)
            guard bank.schema == 1, bank.effects.count == bank.scales.count else {
                throw GenerationError(path, expected: "a bank of schema 1", found: "schema \(bank.schema)")
            }
            return bank
        } catch let error as DecodingError {
            throw ConfigurationError(path: path, error, in: data)
        }
    }
}
