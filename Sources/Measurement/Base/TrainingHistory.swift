import Drawing
public import Foundation
public import Imaging

/// What a training wrote down as it went: the JSONL logs of its stages.
public struct TrainingHistory: Sendable {
    /// One stage, by the name of its log.
    public struct Stage: Sendable {
        public let name: String
        public let points: [(step: Int, loss: Double)]
        /// The median time of a step, in seconds.
        public let secondsPerStep: Double

        public var steps: Int { points.last?.step ?? 0 }

        /// The mean loss of the last twentieth of the log.
        public var finalLoss: Double {
            let tail = points.suffix(max(points.count / 20, 1))
            return tail.reduce(0) { $0 + $1.loss } / Double(max(tail.count, 1))
        }
    }

    public let stages: [Stage]

    private struct Line: Decodable {
        let step: Int
        let loss: Double
        let seconds: Double?
    }

    /// Reads every `*.jsonl` of a folder, in the order of their names; lines that are no log lines are an error.
    public init(folder: URL) throws {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
            .filter { $0.hasSuffix(".jsonl") }.sorted()
        stages = try names.map { name in
            let path = folder.appending(path: name)
            let text = try String(contentsOf: path, encoding: .utf8)
            let lines = try text.split(separator: "\n").enumerated().map { number, line in
                do {
                    return try JSONDecoder().decode(Line.self, from: Data(line.utf8))
                } catch {
                    throw MeasurementError(
                        "\(path.path):\(number + 1)", expected: "an object with step and loss",
                        found: String(line.prefix(60)))
                }
            }
            let seconds = lines.compactMap(\.seconds).sorted()
            return Stage(
                name: String(name.dropLast(6)), points: lines.map { ($0.step, $0.loss) },
                secondsPerStep: seconds.isEmpty ? 0 : seconds[seconds.count / 2])
        }
    }

    /// The smoothed losses of all stages, each from its start to its end.
    public func plot() -> Image {
        let series = stages.filter { $0.points.count > 1 }.map { stage in
            LinePlot.Series(stage.name, Self.smoothed(stage.points))
        }
        return LinePlot(
            series, title: "Loss while training", xLabel: "step", yLabel: "loss, smoothed", logarithmicY: true
        ).draw()
    }

    /// Means of up to 200 equal stretches.
    private static func smoothed(_ points: [(step: Int, loss: Double)]) -> [(x: Double, y: Double)] {
        let width = max((points.count + 199) / 200, 1)
        return stride(from: 0, to: points.count, by: width).map { start in
            let part = points[start..<min(start + width, points.count)]
            let count = Double(part.count)
            return (part.reduce(0) { $0 + Double($1.step) } / count, part.reduce(0) { $0 + $1.loss } / count)
        }
    }
}
