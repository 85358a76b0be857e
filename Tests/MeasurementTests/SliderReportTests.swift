import Imaging
@testable import Measurement
import Testing
import Weights
import World

@Suite struct SliderReportTests {
    private func report(_ changes: [Double], drift: [Double]? = nil) -> SliderReport {
        let scales = [-2.0, -1, 0, 1, 2]
        return SliderReport(
            slider: "age", target: "age", scales: scales, prompts: 2, seeds: 1,
            rows: [
                .init(trait: "age", changes: changes, sizes: changes.map { abs($0) }),
                .init(trait: "smile", changes: [0, 0, 0, 0, 0], sizes: [0.1, 0.05, 0, 0.05, 0.1]),
                .init(trait: "hat", changes: [0, 0, 0, 0, 0], sizes: [0, 0, 0, 0.01, 0.1]),
            ], monotoneShare: 1, perceptual: [0, 0, 0, 0, 0], drift: drift ?? [0, 0, 0, 0, 0])
    }

    @Test func `effects between the scales lie on a line, and interference is a share of the target's change`() {
        let report = report([-0.5, -0.2, 0, 0.25, 0.4])
        #expect(report.effect(at: 0.5) == 0.125 && report.effect(at: -1.5) == -0.35 && report.effect(at: 9) == 0.4)
        #expect(abs(report.meanInterference - 0.12) < 1e-9)
        #expect(report.worstInterference.trait == "smile" && abs(report.worstInterference.share - 0.2) < 1e-9)
    }

    @Test func `a calibrated slider has a quarter of the range at one unit`() throws {
        let strong = try SliderCalibration(report([-0.8, -0.5, 0, 0.5, 0.8]))
        #expect(abs(strong.unit - 0.5) < 0.01)
        #expect(strong.range == [-2, 2])
        let weak = try SliderCalibration(report([-0.3, -0.1, 0, 0.1, 0.3]))
        #expect(abs(weak.unit - 1.75) < 0.01)
        // The range ends where the effect turns round, or where the picture falls apart.
        let turning = try SliderCalibration(report([-0.2, -0.4, 0, 0.25, 0.5]))
        #expect(turning.range[0] == -1 / turning.unit)
        let falling = try SliderCalibration(report([-0.5, -0.2, 0, 0.25, 0.5], drift: [0, 0, 0, 0, 3]))
        #expect(falling.range[1] == 1 / falling.unit)
        #expect(throws: MeasurementError.self) { try SliderCalibration(report([0, 0, 0, 0.01, 0.02])) }
    }

    @Test func `a slider that adds years is found to add years`() throws {
        let configuration = ProbeConfiguration(
            family: .portrait, imageSize: 32, channels: [8, 16], normGroups: 4, summaryChannels: 2, features: 4)
        func probe(_ family: SceneFamily) throws -> Probe {
            var configuration = configuration
            configuration.family = family
            return Probe(
                try ProbeNetwork(configuration, weights: ScopedWeights(InitializingSource(seed: 1))))
        }
        let pair = ProbePair(portrait: try probe(.portrait), landscape: try probe(.landscape))
        var evaluation = SliderEvaluation()
        (evaluation.prompts, evaluation.seeds, evaluation.scales) = (3, 2, [-1, 0, 1])
        let result = try evaluation.run(slider: "age", trait: "age", family: .portrait, probes: pair) {
            orders, scales in
            #expect(orders.count == 6 && scales == [-1, 0, 1])
            #expect(orders.allSatisfy { !$0.prompt.contains("old") && !$0.prompt.contains("young") })
            // The same picture at every scale: nothing changes.
            return orders.map { order in
                scales.map { _ in render(.portrait(Portrait(age: Double(order.seed) / 10)), size: 32) }
            }
        }
        #expect(result.report.rows.count == Scene.traits(of: .portrait).count)
        #expect(result.report.rows.allSatisfy { $0.changes == [0, 0, 0] && $0.sizes == [0, 0, 0] })
        #expect(result.report.monotoneShare == 1 && result.report.drift == [0, 0, 0])
        #expect(result.rows.count == 3)
        #expect(throws: MeasurementError.self) {
            try evaluation.run(slider: "x", trait: "nothing", family: .portrait, probes: pair) { _, _ in [] }
        }
    }
}
