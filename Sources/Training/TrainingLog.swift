import Foundation
import Generation

/// A log with one JSON object a line and step, flushed as it grows.
struct TrainingLog {
    private let handle: FileHandle
    private let precision: Precision

    /// Opens a log for appending; lines after `keepingSteps` (of a run that was cut off later than its checkpoint) go.
    init(path: URL, keepingSteps: Int, precision: Precision = .fp32) throws {
        self.precision = precision
        try FileManager.default.createDirectory(
            at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        let lines = ((try? String(contentsOf: path, encoding: .utf8)) ?? "").split(separator: "\n")
        let kept = lines.filter { line in
            guard let record = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)) else { return false }
            return record.step <= keepingSteps
        }
        let text = kept.isEmpty ? "" : kept.joined(separator: "\n") + "\n"
        try Data(text.utf8).write(to: path, options: .atomic)
        handle = try FileHandle(forWritingTo: path)
        try handle.seekToEnd()
    }

    private struct Line: Decodable { let step: Int }

    func append(step: Int, values: [String: Double], secondsPerStep: Double) throws {
        var fields = values.mapValues { ($0 * 1e6).rounded() / 1e6 }
        fields["seconds"] = (secondsPerStep * 1e4).rounded() / 1e4
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let rest = String(decoding: try encoder.encode(fields), as: UTF8.self).dropFirst()
        let numbers = precision == .fp32 ? "" : "\"precision\":\"\(precision.rawValue)\","
        try handle.write(contentsOf: Data("{\"step\":\(step),\(numbers)\(rest)\n".utf8))
    }
}
