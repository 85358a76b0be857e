import Foundation

/// The measured part of a model's card, between two marks of a Markdown file; the text around it is written by hand.
public struct ModelCard: Sendable {
    static let begin = "<!-- measured: atelier eval base --card -->"
    static let end = "<!-- end of measured -->"

    public var report: BaseReport
    public var history: TrainingHistory
    /// Parts of the model with their numbers of parameters.
    public var parts: [(name: String, parameters: Int)]
    /// Pictures to show: heading and file name beside the card.
    public var pictures: [(title: String, file: String)]

    public init(
        report: BaseReport, history: TrainingHistory, parts: [(name: String, parameters: Int)],
        pictures: [(title: String, file: String)]
    ) {
        self.report = report
        self.history = history
        self.parts = parts
        self.pictures = pictures
    }

    public var markdown: String {
        func round(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
        var lines = [
            "Model `\(report.modelHash.prefix(12))`, \(report.sampler), \(report.steps) steps, guidance scale "
                + "\(round(report.guidanceScale, 1)); read by the probes `\(report.probes)`.", "",
        ]
        lines.append(report.markdown)
        lines += ["| part | parameters |", "|---|---|"]
        for part in parts { lines.append("| \(part.name) | \(round(Double(part.parameters) / 1e6, 2)) M |") }
        lines += ["", "| log | steps | seconds a step (median) | loss at the end |", "|---|---|---|---|"]
        for stage in history.stages {
            lines.append(
                "| \(stage.name) | \(stage.steps) | \(round(stage.secondsPerStep, 3)) | \(round(stage.finalLoss, 4)) |")
        }
        for picture in pictures { lines += ["", "**\(picture.title)**", "", "![\(picture.title)](\(picture.file))"] }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The card with the measured part replaced, or added at its end where it has none yet.
    public func written(into text: String) throws -> String {
        let block = Self.begin + "\n" + markdown + Self.end
        guard let start = text.range(of: Self.begin) else {
            return text + (text.isEmpty || text.hasSuffix("\n") ? "" : "\n") + "\n" + block + "\n"
        }
        guard let stop = text.range(of: Self.end, range: start.upperBound..<text.endIndex) else {
            throw MeasurementError("the card", expected: "'\(Self.end)' after '\(Self.begin)'", found: "none")
        }
        return text.replacingCharacters(in: start.lowerBound..<stop.upperBound, with: block)
    }
}
