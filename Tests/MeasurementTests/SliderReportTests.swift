import Imaging
@testable import Measurement
import Testing
import Weights
import World

@Suite struct SliderReportTests {
    private func report(_ changes: [Double], drift: [Double]? = nil) -> SliderReport {
        let (smile, hat) = ([0.1, 0.05, 0, 0.05, 0.1], [0, 0, 0, 0.01, 0.1])
        let columns = changes.indices.map { index in
            SliderChange(
                rows: [
                    .init(trait: "age", change: changes[index], size: abs(changes[index]), shown: 1),
                    .init(trait: "smile", change: 0, size: smile[index], shown: 1),
                    .init(trait: "hat", change: 0, size: hat[index], shown: 1),
                    // Hardly ever shown, so it is no interference however much it changes.
                    .init(trait: "hat_color", change: 0, size: 1, shown: 0.01),
                ], perceptual: 0, drift: drift?[index] ?? 0)
        }
        return SliderReport(
            slider: "age", target: "age", scales: [-2.0, -1, 0, 1, 2], prompts: 2, seeds: 1, changes: columns)
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

    @Test func `the unit is measured and mended until it is exact`() throws {
        // The true effect is curved, so the first fit on a line is off.
        func effect(_ scale: Double) -> Double { scale < 0 ? scale * 0.3 : scale * scale * 0.2 }
        let first = try SliderCalibration(report([-2.0, -1, 0, 1, 2].map(effect)))
        #expect(!first.isExact)
        var measured: [Double] = []
        let refined = try first.refined { scale in
            measured.append(scale)
            return (effect(scale), 0)
        }
        #expect(refined.isExact && measured.count <= 4)
        #expect(abs(effect(refined.unit) - 0.25) <= 0.01)
        #expect(refined.curve.contains { abs($0[0] - 1) < 1e-9 && abs($0[1] - 0.25) <= 0.01 })
        // What is exact already is not measured again.
        _ = try refined.refined { _ in
            Issue.record("measured again")
            return (0, 0)
        }
    }

    @Test func `pages say what was measured, and escape names`() {
        var report = report([-0.5, -0.2, 0, 0.25, 0.4])
        report.windows = [.init(name: "1.0 to 0.8", effect: 0.125, perceptual: 0, drift: 0)]
        report.slider = "<age>"
        #expect(report.markdown.contains("1.0 to 0.8 | 0.125") && report.markdown.contains("hat_color"))
        let page = report.html(pictures: [("sheet.png", "Along the scales")])
        #expect(page.contains("&lt;age&gt;") && !page.contains("<age>") && page.contains("src=\"sheet.png\""))
    }
}
