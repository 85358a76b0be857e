public import Foundation

/// Joins what the shards of a list have done: their journals into `journal.jsonl`, and a report of all jobs.
///
/// Only lines of this very list count, and only outputs that are there with their checksum. Nothing is computed, so a
/// merge may be done at any moment, as often as one likes: a second one adds nothing.
public struct BatchMerge: Sendable {
    public struct Report: Sendable, Hashable {
        public var done = 0
        /// Outputs of jobs that failed.
        public var failed: [String] = []
        /// Outputs that no shard has come to.
        public var missing: [String] = []

        public var isComplete: Bool { failed.isEmpty && missing.isEmpty }
    }

    public let folder: URL
    /// The content hash of the list.
    public let list: String
    /// Of all jobs, in order.
    public let outputs: [String]
    /// The lines of the list's file, by the jobs' places; none where a job is not a line.
    public let lines: [Int: Int]

    public init(folder: URL, list: String, outputs: [String], lines: [Int: Int] = [:]) {
        self.folder = folder
        self.list = list
        self.outputs = outputs
        self.lines = lines
    }

    /// - Throws: `JobError` when a run of the whole list is at work, or the folder is not there.
    public func run() throws -> Report {
        // A folder without anything is a mistake, not a run.
        guard FileManager.default.fileExists(atPath: folder.path) else {
            throw JobError(folder.path, expected: "the folder of a batch", found: "none")
        }
        let journal = try Journal(folder: folder, shard: .whole, list: list)
        let (known, own) = (journal.account(), try journal.ownLines())
        var account = BatchReport(
            folder: folder, shard: .whole, jobs: outputs.enumerated().map { ($0, $1) }, lines: self.lines)
        var report = Report()
        var lines: [Journal.Line] = []
        let flaws = OutputNames.flaws(outputs)
        for (number, output) in outputs.enumerated() {
            // What stands under the name is another job's.
            if let flaw = flaws[number] {
                report.failed.append(output)
                account.note(
                    Journal.Line(
                        key: "output " + output, output: output, state: .failed,
                        error: "\(flaw.onLine(self.lines[number]))", list: list),
                    of: number)
                continue
            }
            guard let line = known.done[output] ?? known.failed[output] else {
                report.missing.append(output)
                continue
            }
            if line.state == .done { report.done += 1 } else { report.failed.append(output) }
            if !own.contains(line) { lines.append(line) }
            account.note(line, of: number)
        }
        try journal.append(lines)
        try account.write()
        return report
    }
}
