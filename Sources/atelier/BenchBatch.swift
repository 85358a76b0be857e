import ArgumentParser
import Foundation
import Generation
import Imaging
import Jobs
import Measurement
import TensorCore

/// `atelier bench batch`: how fast a batch is beside pictures drawn one by one, and what memory it needs.
struct BenchBatch: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch", abstract: "The rate of a batch over that of pictures drawn one by one, and its memory.",
        discussion: """
            Everything counts: texts, drawing, encoding as PNG, and for the batch its files and its journal. The batch pauses \
            several times, and pictures are drawn one by one in the pauses, so that both meet the same hours of the machine.
            """)

    @Option(name: [.short, .long], help: "A folder in the diffusers layout, a checkpoint file, or an embedded model.")
    var model = "mini"
    @Option(help: "Pictures of the batch.")
    var count = 40
    @Option(help: "Pictures that are drawn one by one: some before the batch, in each of its pauses, and after it.")
    var singles = 12
    @Option(help: "Parts of the batch between the pauses; the ratio is the median of theirs.")
    var rounds = 5
    @Option(help: "End with 1 where the ratio is below this.")
    var atLeast: Double?
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
        /// Pictures a second, the median of the rounds.
        let single: Double
        let batch: Double
        /// Of the batch's rate in each round over that of the single pictures around it.
        let ratios: [Double]
        /// Their median.
        let ratio: Double
        /// Buffers that one picture takes from the pool, whatever for: as many in a batch as alone, or something is
        /// computed that need not be.
        let buffersSingle: Double
        let buffersBatch: Double
        /// Texts that were read, over all pictures of the run.
        let encodings: Int
        /// The pool after the first pictures of the batch, and after all of them.
        let early: Pool
        let end: Pool
        /// The largest resident size before the batch, and after it.
        let peakBefore: Int
        let peakAfter: Int
    }

    private struct Pool: Encodable {
        let pictures: Int
        /// Bytes of tensors that are alive, and the most there were since the batch began.
        let live: Int
        let peak: Int
        /// Buffers taken from the system since the start.
        let buffers: Int

        init(pictures: Int) {
            let found = MemoryPool.shared.statistics
            (live, peak, buffers) = (found.liveBytes, found.peakLiveBytes, found.systemAllocations)
            self.pictures = pictures
        }
    }

    /// Some pictures, and what they took.
    private struct Part {
        var pictures: Int
        var seconds: Double
        var buffers: Int

        var rate: Double { Double(pictures) / seconds }

        static func + (a: Part, b: Part) -> Part {
            Part(pictures: a.pictures + b.pictures, seconds: a.seconds + b.seconds, buffers: a.buffers + b.buffers)
        }
    }

    /// From where a part is measured.
    private struct Mark {
        private let time = ContinuousClock.now
        private let buffers = MemoryPool.shared.statistics.requests

        func part(_ pictures: Int) -> Part {
            Part(
                pictures: pictures, seconds: (ContinuousClock.now - time).seconds,
                buffers: MemoryPool.shared.statistics.requests - buffers)
        }
    }

    func run() throws {
        guard (4...10_000).contains(count), (2...1000).contains(singles), (1...100).contains(rounds), rounds <= count
        else {
            throw UsageError(
                description: "--count, --singles, --rounds: expected 4 to 10000, 2 to 1000, and 1 to 100 but no more "
                    + "than --count, found \(count), \(singles), \(rounds)")
        }
        try useThreads(threads)
        let row = try ComputeThread.shared.run { try measure() }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            encoder.keyEncodingStrategy = .convertToSnakeCase
            print(String(decoding: try encoder.encode(row), as: UTF8.self))
        } else {
            show(row)
        }
        if let atLeast, row.ratio < atLeast {
            throw OutputError(
                description: String(
                    format: "batch: expected at least %.2f of the rate of single pictures, found %.2f", atLeast,
                    row.ratio))
        }
    }

    private func show(_ row: Row) {
        print(
            String(
                format: "one by one %.3f pictures/s, batch of %d %.3f pictures/s (%.2f; %@), %d threads", row.single,
                row.count, row.batch, row.ratio,
                row.ratios.map { String(format: "%.2f", $0) }.joined(separator: " "), row.threads))
        print(
            String(
                format: "a picture takes %.1f buffers alone, %.1f in the batch; %d texts read", row.buffersSingle,
                row.buffersBatch, row.encodings))
        for pool in [row.early, row.end] {
            print(
                "after \(pool.pictures) pictures: tensors \(pool.live >> 10) KiB, at most \(pool.peak >> 10) KiB, "
                    + "\(pool.buffers) buffers of the system")
        }
        print("process peak \(row.peakBefore >> 20) MiB before the batch, \(row.peakAfter >> 20) MiB after it")
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
        var alone: [Part] = []
        func drawSingles() throws {
            // As many before the batch, in each pause and after the batch.
            let wanted = max(singles / (rounds + 1), 1)
            let mark = Mark()
            for number in 0..<wanted {
                _ = try task(number, seed: 2_000_000 + alone.count * wanted + number).prepare().make()
            }
            alone.append(mark.part(wanted))
        }
        try drawSingles()
        let peakBefore = peakResidentBytes()
        let tasks = (0..<count).map { task($0, seed: $0) }
        let groupSize = ComputeThread.shared.threadCount
        MemoryPool.shared.resetPeak()
        var parts: [Part] = []
        var early: Pool?
        var failure: (any Error)?
        let end = try inTemporaryFolder(tasks.map(\.output)) { folder in
            var (done, mark) = (0, Mark())
            let report = try BatchRun(folder: folder).run(
                tasks,
                report: { event in
                    if early == nil, event.done >= min(20, count / 2) { early = Pool(pictures: event.done) }
                    // Pictures are made in groups, and a pause is between two of them.
                    let isBetween = event.done % groupSize == 0 || event.done == count
                    guard isBetween, event.done >= count * (parts.count + 1) / rounds else { return }
                    parts.append(mark.part(event.done - done))
                    do { try drawSingles() } catch { failure = failure ?? error }
                    (done, mark) = (event.done, Mark())
                })
            if let failure { throw failure }
            guard report.made == count else {
                throw OutputError(description: "\(folder.path): expected \(count) pictures, found \(report.made)")
            }
            return Pool(pictures: count)
        }
        let ratios = parts.indices.map { parts[$0].rate / (alone[$0] + alone[$0 + 1]).rate }
        let (allAlone, all) = (alone.dropFirst().reduce(alone[0], +), parts.dropFirst().reduce(parts[0], +))
        return Row(
            model: model, threads: groupSize, count: count, single: median(alone.map(\.rate)) ?? .nan,
            batch: median(parts.map(\.rate)) ?? .nan, ratios: ratios, ratio: median(ratios) ?? .nan,
            buffersSingle: Double(allAlone.buffers) / Double(allAlone.pictures),
            buffersBatch: Double(all.buffers) / Double(all.pictures), encodings: planner.encodings.statistics.misses,
            early: early ?? end, end: end, peakBefore: peakBefore, peakAfter: peakResidentBytes())
    }

    /// Runs in a folder that is made for it; afterwards the files that a batch wrote there go, by their names.
    private func inTemporaryFolder<Result>(_ outputs: [String], _ body: (URL) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "atelier-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer {
            for name in outputs + ["journal.jsonl", "journal.lock", "report.jsonl"] {
                unlink(folder.appending(path: name).path)
            }
            // Only an empty folder goes.
            rmdir(folder.path)
        }
        return try body(folder)
    }
}
