public import Foundation
import Recipes
import TensorCore

/// A job before it is looked at: where its output goes, and how to find out what it takes.
public struct BatchTask: Sendable {
    /// Relative to the folder of the run.
    public let output: String
    /// Checks the job and its files.
    public let prepare: @Sendable () throws -> PreparedTask

    public init(output: String, prepare: @escaping @Sendable () throws -> PreparedTask) {
        self.output = output
        self.prepare = prepare
    }
}

/// A job that can be done.
public struct PreparedTask: Sendable {
    /// The hash of everything that determines the output.
    public let key: String
    /// Makes the output's bytes; nil when the work was stopped before its end.
    public let make: @Sendable () throws -> [UInt8]?

    public init(key: String, make: @escaping @Sendable () throws -> [UInt8]?) {
        self.key = key
        self.make = make
    }
}

/// Does many jobs, as many at once as there are threads, so that a kill at any moment loses nothing that was done and
/// nothing is done twice: see `OutputFile` for how outputs and the journal go together.
public struct BatchRun: Sendable {
    public struct Event: Sendable {
        public var output: String
        /// Of this run's shard, those that were done before included, and none that failed.
        public var done: Int
        public var failed: Int
        public var total: Int
        public var secondsLeft: Double
        public var error: String?
    }

    public struct Report: Sendable, Hashable {
        public var made = 0
        /// Done by an earlier run.
        public var kept = 0
        public var failed: [String] = []
        public var isStopped = false
    }

    public let folder: URL
    public let shard: Shard
    /// Whether a job that fails leaves the others to be done.
    public let keepsGoing: Bool
    /// The content hash of the list that the tasks are of, which the journal notes.
    public let list: String?
    /// The lines of the list's file, by the tasks' places; none where a job is not a line.
    public let lines: [Int: Int]

    public init(
        folder: URL, shard: Shard = .whole, keepsGoing: Bool = false, list: String? = nil, lines: [Int: Int] = [:]
    ) {
        self.folder = folder
        self.shard = shard
        self.keepsGoing = keepsGoing
        self.list = list
        self.lines = lines
    }

    /// - Parameters:
    ///   - report: is told of every job that was made or failed.
    ///   - shouldStop: asked between groups.
    /// - Throws: `JobError` for an output that another job has or that would lie outside the folder, unless the run keeps
    ///   going, where it is that job's failure; for a run at work whose jobs these are, too; what the journal throws.
    public func run(
        _ tasks: [BatchTask], report: (Event) -> Void = { _ in }, shouldStop: () -> Bool = { false }
    ) throws -> Report {
        let flaws = try check(tasks.map(\.output))
        let tasks = tasks.enumerated().map { number, task in
            flaws[number].map { flaw in BatchTask(output: task.output) { throw flaw } } ?? task
        }
        try Journal.makeFolder(folder)
        let lock = try BatchLock(folder: folder, shard: shard)
        defer { withExtendedLifetime(lock) {} }
        let journal = try Journal(folder: folder, shard: shard, list: list)
        let own = tasks.indices.filter { shard.contains($0) }
        var account = BatchReport(folder: folder, shard: shard, jobs: own.map { ($0, tasks[$0].output) }, lines: lines)
        let outcome = Result { try run(tasks, own, journal, &account, report, shouldStop) }
        // However the run ends, what is known is told; a full disk must not hide the reason.
        do { try account.write() } catch { _ = try outcome.get(); throw error }
        return try outcome.get()
    }

    /// What a run finds before it does anything; nothing is written.
    ///
    /// - Returns: what is wrong with outputs, by the number of the job, of a run that keeps going.
    /// - Throws: `JobError` for the first of them where it does not, and for a folder that cannot be made or written.
    public func check(_ outputs: [String]) throws -> [Int: JobError] {
        let flaws = OutputNames.flaws(outputs)
        if !keepsGoing, let first = flaws.min(by: { $0.key < $1.key }) { throw first.value.onLine(lines[first.key]) }
        var place = folder
        while !FileManager.default.fileExists(atPath: place.path), place.pathComponents.count > 1 {
            place.deleteLastPathComponent()
        }
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: place.path, isDirectory: &isFolder)
        guard isFolder.boolValue, FileManager.default.isWritableFile(atPath: place.path) else {
            throw JobError(
                folder.path, expected: "a folder that can be written",
                found: isFolder.boolValue ? "that \(place.path) cannot" : "that \(place.path) is a file")
        }
        return flaws
    }

    private func run(
        _ tasks: [BatchTask], _ own: [Int], _ journal: Journal, _ account: inout BatchReport, _ report: (Event) -> Void,
        _ shouldStop: () -> Bool
    ) throws -> Report {
        let width = ComputeThread.shared.threadCount
        var result = Report()
        var clock = BatchClock()
        var next = 0
        while next < own.count {
            if shouldStop() {
                result.isStopped = true
                return result
            }
            var group: [(number: Int, prepared: PreparedTask)] = []
            var outcomes: [(number: Int, line: Journal.Line)] = []
            while next < own.count, group.count < width {
                let number = own[next]
                let output = tasks[number].output
                next += 1
                do {
                    let prepared = try tasks[number].prepare()
                    if var line = journal.done(prepared.key) {
                        result.kept += 1
                        if line.list != list {
                            line.list = list
                            try journal.append(line)
                        }
                        account.note(line, of: number)
                    } else {
                        group.append((number, prepared))
                    }
                } catch let error as JournalFailure {
                    throw error
                } catch {
                    let reason: any Error = (error as? JobError)?.onLine(lines[number]) ?? error
                    // What cannot be prepared has no key of its own.
                    let line = Journal.Line(
                        key: "output " + output, output: output, state: .failed, error: "\(reason)", list: list)
                    try journal.append(line)
                    outcomes.append((number, line))
                    if !keepsGoing { break }
                }
            }
            let ready = outcomes.isEmpty || keepsGoing ? group : []
            let made = try ComputeThread.shared.concurrently(ready.count) { index in
                try perform(tasks[ready[index].number], ready[index].prepared, journal)
            }
            clock.add(made.count)
            outcomes += zip(ready, made).compactMap { piece, line in line.map { (piece.number, $0) } }
            result.isStopped = made.contains { $0 == nil }
            for (number, line) in outcomes {
                account.note(line, of: number)
                if line.state == .done { result.made += 1 } else { result.failed.append(line.output) }
                let (done, failed) = (result.made + result.kept, result.failed.count)
                report(
                    Event(
                        output: line.output, done: done, failed: failed, total: own.count,
                        secondsLeft: clock.secondsLeft(own.count - done - failed), error: line.error))
            }
            if result.isStopped || (!keepsGoing && !result.failed.isEmpty) { return result }
        }
        return result
    }

    /// Makes one output and notes it; only what the journal throws ends the run.
    ///
    /// - Returns: what was noted; nil when the work was stopped.
    private func perform(_ task: BatchTask, _ prepared: PreparedTask, _ journal: Journal) throws -> Journal.Line? {
        let clock = BatchClock()
        let file = OutputFile(folder: folder, output: task.output, key: prepared.key)
        var line = Journal.Line(key: prepared.key, output: task.output, state: .done, list: list)
        do {
            guard let bytes = try prepared.make() else { return nil }
            try file.write(bytes)
            line.bytes = bytes.count
            line.hash = sha256Hex(of: bytes)
            line.seconds = (clock.seconds * 1000).rounded() / 1000
            try journal.append(line)
            try file.commit()
        } catch let error as JournalFailure {
            file.discard()
            throw error
        } catch {
            file.discard()
            line = Journal.Line(
                key: prepared.key, output: task.output, state: .failed, error: "\(error)", list: list)
            try journal.append(line)
        }
        return line
    }
}

/// Says how long the rest will take.
private struct BatchClock {
    private let start = ContinuousClock.now
    private var count = 0

    mutating func add(_ made: Int) { count += made }

    var seconds: Double {
        let elapsed = ContinuousClock.now - start
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }

    func secondsLeft(_ left: Int) -> Double { count > 0 ? seconds / Double(count) * Double(left) : .nan }
}
