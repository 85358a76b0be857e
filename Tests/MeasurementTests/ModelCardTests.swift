import Foundation
@testable import Measurement
import TestSupport
import Testing

@Suite struct ModelCardTests {
    private func history(_ lines: String) throws -> TrainingHistory {
        try inTemporaryFolder { folder in
            try Data(lines.utf8).write(to: folder.appending(path: "denoiser.jsonl"))
            return try TrainingHistory(folder: folder)
        }
    }

    private func report() -> BaseReport {
        var report = BaseReport(
            model: "mini", modelHash: "0123456789abcdef", probes: "b", sampler: "ddim", steps: 20, guidanceScale: 2.5)
        report.heldOut = .init(right: 47, total: 50, attributes: ["hat": .init(right: 9, total: 10)])
        report.unseen = .init(right: 45, total: 50, attributes: [:])
        report.orders = [.init(attribute: "age", rising: 3, rows: 4, means: [0.1, 0.5])]
        (report.frechetDrawn, report.frechetAutoencoded, report.frechetPictures) = (3, 2, 1024)
        return report
    }

    private let log = """
        {"step":1,"loss":2,"seconds":0.5}
        {"step":2,"loss":1,"seconds":0.25}
        {"step":3,"loss":0.5,"seconds":0.25}
        """

    @Test func `shares and ratios come from the counts`() {
        #expect(report().heldOut.share == 0.94 && report().frechetRatio == 1.5 && report().risingShare == 0.75)
        #expect(report().markdown.contains("94.0 %") && report().markdown.contains("| hat | 90.0 % | 10 |"))
    }

    @Test func `a history knows its steps, its pace and where it ended`() throws {
        let stage = try #require(try history(log).stages.first)
        #expect(stage.name == "denoiser" && stage.steps == 3 && stage.secondsPerStep == 0.25 && stage.finalLoss == 0.5)
        #expect(throws: MeasurementError.self) { try history("{\"step\":1}") }
    }

    @Test func `the measured part is added once and replaced after that`() throws {
        var card = ModelCard(
            report: report(), history: try history(log), parts: [("unet", 12_000_000)],
            pictures: [("Held-out captions", "mini-captions.jpg")])
        let first = try card.written(into: "# mini\n\nBy hand.\n")
        #expect(first.hasPrefix("# mini\n\nBy hand.\n") && first.contains("| unet | 12.00 M |"))
        card.report.steps = 30
        let second = try card.written(into: first + "\nAfter.\n")
        #expect(second.contains("30 steps") && !second.contains("20 steps") && second.hasSuffix("\nAfter.\n"))
        #expect(second.components(separatedBy: "| unet |").count == 2)
        #expect(throws: MeasurementError.self) {
            try card.written(into: "<!-- measured: atelier eval base --card -->\nno end")
        }
    }
}
