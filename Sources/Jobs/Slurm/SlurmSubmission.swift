public import Foundation

/// Gives a list of jobs to Slurm: an array job whose elements are the shards, and a job that merges what they did.
///
/// Everything may happen more than once: a shard that is run again does only what its journals lack, a merge that is run
/// again adds nothing, and a list that is submitted again waits for its elements, or does what they have left.
public struct SlurmSubmission: Sendable {
    /// What the shards run.
    public struct Program: Sendable {
        /// The executable, the list and the folder of the outputs, as absolute paths.
        public var executable: String
        public var list: String
        public var folder: URL
        /// Further options of `batch`, for shards and the merge.
        public var options: [String] = []
        /// Further options for shards alone.
        public var shardOptions: [String] = []

        public init(executable: String, list: String, folder: URL) {
            self.executable = executable
            self.list = list
            self.folder = folder
        }
    }

    public enum Outcome: Sendable, Hashable {
        case submitted(array: String, merge: String)
        /// An earlier submission of the same list has not ended.
        case atWork(array: String)
        /// Every job is done; nothing was submitted.
        case complete(jobs: Int)
    }

    public let program: Program
    /// The content hash of the list.
    public let hash: String
    /// Of all jobs, in order.
    public let outputs: [String]
    /// Of the list's file, by the jobs' places.
    private let lines: [Int: Int]
    public let shards: Int
    /// How many elements run at once; nil leaves it to Slurm.
    public let atOnce: Int?
    /// Cores of an element.
    public let threads: Int?
    /// Further options of `sbatch`.
    public let options: [String]

    /// - Throws: `JobError` for numbers and options that cannot be.
    public init(
        _ program: Program, list: JobList, shards: Int?, atOnce: Int? = nil, threads: Int? = nil, options: [String] = []
    ) throws {
        self.program = program
        hash = try list.contentHash()
        (outputs, lines) = (list.outputs, list.lines)
        self.shards = shards ?? min(outputs.count, 8)
        (self.atOnce, self.threads, self.options) = (atOnce, threads, options)
        guard (1...10_000).contains(self.shards), self.shards <= outputs.count else {
            throw JobError(
                "shards", expected: "1 to \(min(outputs.count, 10_000)), as there are \(outputs.count) jobs",
                found: "\(self.shards)")
        }
        guard atOnce.map({ $0 >= 1 }) ?? true else {
            throw JobError("shards at once", expected: "1 or more", found: "\(atOnce ?? 0)")
        }
        let own = [
            "--array", "--dependency", "--export", "--output", "--parsable", "--wrap", "--requeue", "--no-requeue",
            "--open-mode", "--signal",
        ]
        for option in options {
            let name = option.prefix { $0 != "=" }
            // sbatch takes every beginning of a name that no other option has.
            guard option.hasPrefix("--"), name.count > 2, !own.contains(where: { $0.hasPrefix(name) }) else {
                throw JobError(
                    "option of sbatch",
                    expected: "one such as --partition=short, and none of \(own.joined(separator: ", ")), whole or "
                        + "shortened",
                    found: "'\(option)'")
            }
        }
    }

    private struct Record: Codable {
        let list: String
        let shards: Int
        let array: String
        var merge: String?
    }

    private var folder: URL { program.folder.appending(path: ".slurm") }
    private var recordPath: URL { folder.appending(path: "submission.json") }

    /// - Throws: `JobError` when another list was submitted into the folder, Slurm's commands are not there, or refuse.
    public func submit() throws -> Outcome {
        let record = try readRecord()
        if let record {
            guard record.list == hash else {
                throw JobError(
                    program.folder.path,
                    expected: "the list that was submitted into it, \(record.list.prefix(12)) "
                        + "(a changed list wants a folder of its own)", found: String(hash.prefix(12)))
            }
            if isAtWork(record) { return .atWork(array: record.array) }
            let merge = BatchMerge(folder: program.folder, list: hash, outputs: outputs, lines: lines)
            if try merge.run().isComplete { return .complete(jobs: outputs.count) }
        }
        guard let sbatch = SlurmTool("sbatch") else {
            throw JobError(
                "sbatch", expected: "Slurm's command on PATH",
                found: "none; leave out --engine slurm, or run --shard i/n on each machine yourself")
        }
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw JobError(folder.path, expected: "a folder that can be written", found: error.localizedDescription)
        }
        let scripts = (folder.appending(path: "shard.sh"), folder.appending(path: "merge.sh"))
        try write(Data(SlurmScripts.shard.utf8), to: scripts.0)
        try write(Data(SlurmScripts.merge.utf8), to: scripts.1)
        let array = try submit(shardArguments(scripts.0.path), by: sbatch)
        var made = Record(list: hash, shards: shards, array: array)
        try write(made)
        let merge = try submit(mergeArguments(scripts.1.path, after: array), by: sbatch)
        made.merge = merge
        try write(made)
        return .submitted(array: array, merge: merge)
    }

    private func shardArguments(_ script: String) -> [String] {
        let width = atOnce.map { "%\($0)" } ?? ""
        return [
            "--parsable", "--job-name=atelier-\(hash.prefix(8))", "--array=1-\(shards)\(width)",
            "--output=\(logs)/shard-%a.log", "--open-mode=append", "--requeue", "--signal=B:TERM@60",
            "--export=\(Self.environment)",
        ] + (threads.map { ["--cpus-per-task=\($0)"] } ?? []) + options
            + [script, program.executable, program.list, program.folder.path, hash, "\(shards)"] + program.options
            + program.shardOptions
    }

    private func mergeArguments(_ script: String, after array: String) -> [String] {
        [
            "--parsable", "--job-name=atelier-\(hash.prefix(8))-merge", "--dependency=afterany:\(array)",
            "--output=\(logs)/merge.log", "--open-mode=append", "--requeue", "--export=\(Self.environment)",
        ] + options + [script, program.executable, program.list, program.folder.path, hash] + program.options
    }

    /// By name, so that nothing else of the submitter's environment is copied into the job.
    private static let environment = "PATH,HOME,ATELIER_ASSETS"

    /// The folder of the logs as a pattern of Slurm's, where `%` has a meaning.
    private var logs: String { folder.path.replacing("%", with: "%%") }

    private func submit(_ arguments: [String], by sbatch: SlurmTool) throws -> String {
        let outcome = try sbatch.run(arguments)
        // `ID` or `ID;cluster`.
        let number = outcome.output.prefix { $0.isASCII && $0.isNumber }
        guard outcome.code == 0, !number.isEmpty else {
            let words = outcome.errors.split(separator: "\n").joined(separator: " ")
            throw JobError(
                "sbatch", expected: "the number of a job",
                found: outcome.code == 0 ? "'\(outcome.output.prefix(80))'" : "exit code \(outcome.code): \(words)")
        }
        return String(number)
    }

    /// Whether Slurm still has elements or the merge of a submission; what it does not know has ended.
    private func isAtWork(_ record: Record) -> Bool {
        guard let squeue = SlurmTool("squeue") else { return false }
        let jobs = [record.array, record.merge].compactMap(\.self).joined(separator: ",")
        guard let outcome = try? squeue.run(["--noheader", "--format=%i", "--jobs=\(jobs)"]) else { return false }
        return outcome.code == 0 && outcome.output.contains(where: \.isNumber)
    }

    private func readRecord() throws -> Record? {
        guard FileManager.default.fileExists(atPath: recordPath.path) else { return nil }
        do {
            return try JSONDecoder().decode(Record.self, from: Data(contentsOf: recordPath))
        } catch {
            throw JobError(recordPath.path, expected: "the record of a submission", found: "something else")
        }
    }

    private func write(_ record: Record) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try write(encoder.encode(record) + Data("\n".utf8), to: recordPath)
    }

    private func write(_ data: Data, to file: URL) throws {
        do {
            try data.write(to: file, options: .atomic)
        } catch {
            throw JobError(file.path, expected: "room to write the file", found: error.localizedDescription)
        }
    }
}
