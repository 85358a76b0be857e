import ArgumentParser
import Foundation
import Generation
import Imaging
import Jobs
import TensorCore

/// `atelier bench batch`: how fast a batch is beside pictures drawn one by one, and what memory it needs.
struct BenchBatch: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch", abstract: "The rate of a batch over that of pictures drawn one by one, and its memory.",
        discussion: "Everything counts: texts, drawing, encoding as PNG, and for the batch its files and its journal.")

    @Option(name: [.short, .long], help: "A folder in the diffusers layout, a checkpoint file, or an embedded model.")
    var model = "mini"
    @Option(help: "Pictures of the batch.")
    var count = 40
    @Option(help: "Pictures that are drawn one by one, half of them before the batch and half after it.")
    var singles = 10
    @Option(parsing: .unconditional, help: "Sampling steps (default: the model's own).")
    var steps: Int?
    @Option(name: [.customShort("W"), .long], help: "Width in pixels (default: the model's own).")
    var width: Int?
    @Option(name: [.customShort("H"), .long], help: "Height in pixels (default: the model's own).")
    var height: Int?
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?
    @Flag(help: "Print one JSON object.")
    var json = false

    private struct Row: Encodable {
        let model: String
        let threads: Int
        let count: Int
        /// Pictures a second.
        let single: Double
        let batch: Double
        /// Of the batch's rate over the single one.
        let ratio: Double
        /// Bytes of tensors that are alive after a quarter of the batch, and after all of it.
        let liveQuarter: Int
        let liveEnd: Int
        /// The largest resident size before the batch, and after it.
        let peakBefore: Int
        let peakAfter: Int
    }

    func run() throws {
        guard (4...10_000).contains(count), (2...1000).contains(singles) else {
            throw UsageError(
                description: "--count, --singles: expected 4 to 10000 and 2 to 1000, found \(count), \(singles)")
        }
        try useThreads(threads)
        let row = try ComputeThread.shared.run { try measure() }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            encoder.keyEncodingStrategy = .convertToSnakeCase
            return print(String(decoding: try encoder.encode(row), as: UTF8.self))
        }
        print(
            String(
                format: "one by one %.3f pictures/s, batch of %d %.3f pictures/s (%.2f), %d threads", row.single,
                row.count, row.batch, row.ratio, row.threads))
        print(
            "tensors \(row.liveQuarter >> 20) MiB after a quarter, \(row.liveEnd >> 20) MiB at the end; peak "
                + "\(row.peakBefore >> 20) MiB before the batch, \(row.peakAfter >> 20) MiB after it")
    }

    private func measure() throws -> Row {
        let planner = try PicturePlanner(
            Assets.store(model, assets: assets), name: model, precision: .fp32, StackFolders(own: []), folder: ".")
        let prompts = ["an old man with white hair", "a woman smiling", "a sea at sunset", "a snowy mountain"]
        func task(_ number: Int, seed: Int) -> BatchTask {
            var job = BatchJob()
            (job.prompt, job.seed, job.steps) = (prompts[number % prompts.count], UInt64(seed), steps)
            (job.width, job.height) = (width, height)
            return planner.task(job, number: number)
        }
        // Packs the weights and reads the prompts.
        for number in prompts.indices { _ = try task(number, seed: 1_000_000).prepare().make() }
        func drawSingles(_ count: Int, from seed: Int) throws -> Double {
            let start = ContinuousClock.now
            for number in 0..<count { _ = try task(number, seed: seed + number).prepare().make() }
            return (ContinuousClock.now - start).seconds
        }
        let first = try drawSingles(singles / 2, from: 2_000_000)
        let peakBefore = peakResidentBytes()
        let tasks = (0..<count).map { task($0, seed: $0) }
        var live: [Int] = []
        let seconds = try inTemporaryFolder(tasks.map(\.output)) { folder in
            let start = ContinuousClock.now
            let report = try BatchRun(folder: folder).run(
                tasks, report: { _ in live.append(MemoryPool.shared.statistics.liveBytes) })
            guard report.made == count else {
                throw OutputError(description: "\(folder.path): expected \(count) pictures, found \(report.made)")
            }
            return (ContinuousClock.now - start).seconds
        }
        let peakAfter = peakResidentBytes()
        let rest = singles - singles / 2
        let last = try drawSingles(rest, from: 3_000_000)
        let (single, batch) = (Double(singles) / (first + last), Double(count) / seconds)
        return Row(
            model: model, threads: ComputeThread.shared.threadCount, count: count, single: single, batch: batch,
            ratio: batch / single, liveQuarter: live[count / 4], liveEnd: live[count - 1], peakBefore: peakBefore,
            peakAfter: peakAfter)
    }

    /// Runs in a folder that is made for it; afterwards the files that a batch wrote there go, by their names.
    private func inTemporaryFolder<Result>(_ outputs: [String], _ body: (URL) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "atelier-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer {
            for name in outputs + ["journal.jsonl", "report.jsonl"] { unlink(folder.appending(path: name).path) }
            // Only an empty folder goes.
            rmdir(folder.path)
        }
        return try body(folder)
    }
}
