public import Foundation
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
        /// Of this run's shard, those that were done before included.
        public var done: Int
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

    public init(folder: URL, shard: Shard = .whole, keepsGoing: Bool = false) {
        self.folder = folder
        self.shard = shard
        self.keepsGoing = keepsGoing
    }

    /// - Parameters:
    ///   - report: is told of every job that was made or failed.
    ///   - shouldStop: asked between groups.
    /// - Throws: `JobError` when two jobs share an output, or an output would lie outside the folder; what the journal
    ///   throws.
    public func run(
        _ tasks: [BatchTask], report: (Event) -> Void = { _ in }, shouldStop: () -> Bool = { false }
    ) throws -> Report {
        try checkOutputs(tasks)
        let journal = try Journal(folder: folder, shard: shard)
        let own = tasks.indices.filter { shard.contains($0) }.map { tasks[$0] }
        let width = ComputeThread.shared.threadCount
        var result = Report()
        var clock = BatchClock()
        var next = 0
        while next < own.count {
            if shouldStop() {
                result.isStopped = true
                return result
            }
            var group: [(task: BatchTask, prepared: PreparedTask)] = []
            var outcomes: [(output: String, error: String?)] = []
            while next < own.count, group.count < width {
                let task = own[next]
                next += 1
                do {
                    let prepared = try task.prepare()
                    if journal.isDone(prepared.key) { result.kept += 1 } else { group.append((task, prepared)) }
                } catch {
                    // What cannot be prepared has no key of its own.
                    try journal.append(
                        .init(key: "output " + task.output, output: task.output, state: .failed, error: "\(error)"))
                    outcomes.append((task.output, "\(error)"))
                    if !keepsGoing { break }
                }
            }
            let ready = outcomes.isEmpty || keepsGoing ? group : []
            let made = try ComputeThread.shared.concurrently(ready.count) { index in
                try perform(ready[index].task, ready[index].prepared, journal)
            }
            clock.add(made.count)
            outcomes += zip(ready, made).filter { !$1.isStopped }.map { ($0.task.output, $1.error) }
            result.isStopped = made.contains { $0.isStopped }
            for (output, error) in outcomes {
                if error == nil { result.made += 1 } else { result.failed.append(output) }
                let done = result.made + result.kept + result.failed.count
                report(
                    Event(
                        output: output, done: done, total: own.count,
                        secondsLeft: clock.secondsLeft(own.count - done), error: error))
            }
            if result.isStopped || (!keepsGoing && !result.failed.isEmpty) { return result }
        }
        return result
    }

    private struct Outcome: Sendable {
        var error: String?
        var isStopped = false
    }

    /// Makes one output and notes it; only what the journal throws ends the run.
    private func perform(_ task: BatchTask, _ prepared: PreparedTask, _ journal: Journal) throws -> Outcome {
        let clock = BatchClock()
        let file = OutputFile(folder: folder, output: task.output)
        do {
            guard let bytes = try prepared.make() else { return Outcome(isStopped: true) }
            try file.write(bytes)
            let seconds = (clock.seconds * 1000).rounded() / 1000
            try journal.append(
                .init(key: prepared.key, output: task.output, state: .done, bytes: bytes.count, seconds: seconds))
            try file.commit()
            return Outcome()
        } catch let error as JobError {
            file.discard()
            throw error
        } catch {
            file.discard()
            try journal.append(.init(key: prepared.key, output: task.output, state: .failed, error: "\(error)"))
            return Outcome(error: "\(error)")
        }
    }

    private func checkOutputs(_ tasks: [BatchTask]) throws {
        var known: [String: Int] = [:]
        for (number, task) in tasks.enumerated() {
            let parts = task.output.split(separator: "/", omittingEmptySubsequences: false)
            guard !task.output.isEmpty, !parts.contains(where: { ["", ".", ".."].contains($0) }) else {
                throw JobError(
                    "job \(number + 1): output", expected: "a name inside the output folder", found: "'\(task.output)'")
            }
            if let other = known.updateValue(number, forKey: task.output) {
                throw JobError(
                    "job \(number + 1): output", expected: "a name of its own",
                    found: "'\(task.output)', which job \(other + 1) has")
            }
        }
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
