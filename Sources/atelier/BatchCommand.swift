public import ArgumentParser
import Foundation
import Generation
public import Jobs
import Recipes
import TensorCore

/// `atelier batch`: many pictures from one list, one model load, and a journal.
struct BatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch",
        abstract: "Draw, restyle and train from a list of jobs; continues where it was stopped or killed.",
        discussion: """
            atelier batch jobs.yaml -o out                 # a template, jobs that override it, a matrix
            atelier batch jobs.jsonl -o out --shard 2/4    # every fourth job, for another machine to do the rest
            atelier batch jobs.jsonl -o out --merge        # join what the shards did, and report
            atelier batch jobs.yaml -o out --engine slurm --shards 16 --slurm=--partition=short

            The journal in the output folder says what is done. The same line again does what is left, and what failed.
            """)

    enum Engine: String, ExpressibleByArgument, CaseIterable { case local, slurm }

    @Argument(help: "The jobs: .yaml, or .jsonl with one a line.")
    var jobs: String
    @Option(name: [.short, .long], help: "The folder for the outputs and the journal.")
    var output: String
    @Option(name: [.short, .long], help: "The model, in place of the list's.")
    var model: String?
    @Option(help: "Do one of several equal parts of the list: 2/5.")
    var shard: Shard = .whole
    @Flag(help: "Go on after a job that fails, or cannot be read.")
    var keepGoing = false
    @Flag(help: "Check every job, print what is to be done as JSON lines, and draw nothing.")
    var dryRun = false
    @Flag(help: "Join the journals of all shards, write report.jsonl, and draw nothing.")
    var merge = false
    @Option(help: "Refuse a list of another content hash than this.")
    var expect: String?
    @Option(help: "Where the jobs run: local, or slurm, which gets an array job of shards and a merge after it.")
    var engine: Engine = .local
    @Option(help: "With --engine slurm: elements of the array (default: 8, or as many as there are jobs).")
    var shards: Int?
    @Option(help: "With --engine slurm: how many elements run at once (default: as Slurm likes).")
    var atOnce: Int?
    @Option(
        parsing: .unconditionalSingleValue,
        help: "With --engine slurm: an option of sbatch, --slurm=--time=60; repeatable.")
    var slurm: [String] = []
    @Option(help: "A folder of adapters that jobs name.")
    var loraModelDir: String?
    @Option(help: "Number format of weights and products: fp32 or bf16.")
    var precision: Precision = .fp32
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func run() async throws {
        guard !output.isEmpty else { throw UsageError(description: "--output: expected a folder, found nothing") }
        if engine != .slurm {
            let given = [
                (shards != nil, "--shards"), (atOnce != nil, "--at-once"), (!slurm.isEmpty, "--slurm"),
            ].filter(\.0).map(\.1)
            guard given.isEmpty else {
                throw UsageError(
                    description: "\(given.joined(separator: ", ")): expected --engine slurm beside it, found none"
                        + (shards == nil ? "" : "; --shard 1/\(shards ?? 1) does one part of the list here"))
            }
        }
        try useThreads(threads)
        // A merge says what became of every job, and so has to know of those that could not be read.
        var list = try JobList(path: jobs, keepsGoing: keepGoing || merge)
        list.model = model ?? list.model ?? "mini"
        let hash = try list.contentHash()
        if let expect, expect != hash {
            throw JobError(
                jobs,
                expected:
                    "the list that was submitted, \(expect.prefix(12)) (a changed list wants a folder of its own)",
                found: String(hash.prefix(12)))
        }
        if merge { return try join(list, hash) }
        do {
            try list.checkOriginals(output: output, path: jobs, shard: shard)
        } catch let error as JobError {
            throw UsageError(description: "--output \(error)")
        }
        for remark in list.folders.flatMap(\.remarks) { complain(remark) }
        if engine == .slurm { return try submit(list) }
        Interrupt.watch()
        let job = self
        let report = try await ComputeThread.shared.perform { [list] in try job.work(list, hash) }
        guard let report else { return }
        print("\(report.made) made, \(report.kept) done before, \(report.failed.count) failed")
        if report.isStopped {
            // The code by which a scheduler is asked to come again.
            if Interrupt.isTermination {
                complain("stopped; the same line goes on")
                throw ExitCode(75)
            }
            throw Interrupted()
        }
        if !report.failed.isEmpty { throw ExitCode(1) }
    }

    /// Does the jobs of the shard, or prints them; runs on the compute thread.
    private func work(_ list: JobList, _ hash: String) throws -> BatchRun.Report? {
        let name = list.model ?? "mini"
        let folders = try StackFolders(loraModelDir: loraModelDir, assets: assets)
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        let training = TrainingPlanner(folder: list.folder, output: folder) { [assets] name in
            try Assets.store(name, assets: assets)
        }
        // Trainings name their own models.
        var pictures: PicturePlanner?
        func isPicture(_ number: Int) -> Bool { list.flaws[number] == nil && list.jobs[number].train == nil }
        if list.jobs.indices.contains(where: isPicture) {
            pictures = try PicturePlanner(
                Assets.store(name, assets: assets), name: name, precision: precision, folders, folder: list.folder,
                inversions: folder.appending(path: ".inversions"))
        }
        let run = BatchRun(folder: folder, shard: shard, keepsGoing: keepGoing, list: hash, lines: list.lines)
        let outputs = list.outputs
        if dryRun {
            try tell(list, outputs, flaws: run.check(outputs), pictures, training)
            return nil
        }
        let tasks = list.jobs.enumerated().compactMap { number, job -> BatchTask? in
            if let flaw = list.flaws[number] { return BatchTask(output: outputs[number]) { throw flaw } }
            return job.train == nil
                ? pictures?.task(job, number: number) { Interrupt.isRequested }
                : training.task(job, number: number) { Interrupt.isRequested }
        }
        var progress = TerminalProgress(quietInterval: .seconds(20))
        return try run.run(
            tasks,
            report: { event in
                if let error = event.error { complain("\(event.output): \(error)") }
                progress.show(
                    "jobs", step: event.done, total: event.total,
                    detail: event.failed > 0 ? ", \(event.failed) failed" : "", secondsLeft: event.secondsLeft,
                    isLast: event.done + event.failed == event.total)
            }, shouldStop: { Interrupt.isRequested })
    }

    /// Prints the jobs of the shard, each after all that a run checks before it does it.
    ///
    /// - Parameter flaws: of the outputs' names, by the number of the job.
    /// - Throws: `ExitCode` after the first job that could not be done, or after all where one keeps going.
    private func tell(
        _ list: JobList, _ outputs: [String], flaws: [Int: JobError], _ pictures: PicturePlanner?,
        _ training: TrainingPlanner
    ) throws {
        var hasFailed = false
        for (number, job) in list.jobs.enumerated() where shard.contains(number) {
            if Interrupt.isRequested { throw Interrupted() }
            do {
                if let flaw = flaws[number] { throw flaw }
                if let flaw = list.flaws[number] { throw flaw }
                if job.train == nil, let pictures {
                    print(try pictures.recipe(of: job, number: number).json())
                } else {
                    try training.check(job, number: number)
                    print(try canonicalText(of: job))
                }
            } catch {
                complain("\(outputs[number]): \(error)")
                guard keepGoing else { throw ExitCode(1) }
                hasFailed = true
            }
        }
        if hasFailed { throw ExitCode(1) }
    }

    private func join(_ list: JobList, _ hash: String) throws {
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        let report = try BatchMerge(folder: folder, list: hash, outputs: list.outputs, lines: list.lines).run()
        print("\(report.done) done, \(report.failed.count) failed, \(report.missing.count) not done")
        for (outputs, what) in [(report.failed, "failed"), (report.missing, "not done")] where !outputs.isEmpty {
            let more = outputs.count > 5 ? " and \(outputs.count - 5) more" : ""
            complain("\(what): \(outputs.prefix(5).joined(separator: ", "))\(more); report.jsonl says why")
        }
        if !report.isComplete { throw ExitCode(1) }
    }

    private func submit(_ list: JobList) throws {
        if let loraModelDir { try checkFolder(loraModelDir, option: "--lora-model-dir") }
        guard shard == .whole, !dryRun else {
            throw UsageError(description: "--engine slurm: expected neither --shard nor --dry-run beside it, found one")
        }
        func absolute(_ path: String) -> String { URL(filePath: path).standardizedFileURL.path }
        var program = SlurmSubmission.Program(
            executable: URL(filePath: CommandLine.executablePath).resolvingSymlinksInPath().path,
            list: absolute(jobs), folder: URL(filePath: absolute(output), directoryHint: .isDirectory))
        // The hash is of the list with its model.
        if let model { program.options += ["--model", model] }
        if let assets { program.shardOptions += ["--assets", absolute(assets)] }
        if let loraModelDir { program.shardOptions += ["--lora-model-dir", absolute(loraModelDir)] }
        if precision != .fp32 { program.shardOptions += ["--precision", precision.rawValue] }
        if let threads { program.shardOptions += ["--threads", "\(threads)"] }
        let submission = try SlurmSubmission(
            program, list: list, shards: shards, atOnce: atOnce, threads: threads, options: slurm)
        switch try submission.submit() {
        case .submitted(let array, let merge):
            print("array job \(array) of \(submission.shards) shards, then job \(merge) merges")
        case .atWork(let array): print("array job \(array) is still at work; nothing submitted")
        case .complete(let jobs): print("all \(jobs) jobs are done; nothing submitted")
        }
    }
}

/// A value as one line of JSON, its keys sorted.
private func canonicalText(of value: some Encodable) throws -> String {
    String(decoding: try canonicalJSON(of: value), as: UTF8.self)
}

extension Shard: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension PicturePlanner {
    /// Loads a model, and plans for it with its own defaults.
    convenience init(
        _ store: any ModelStore, name: String, precision: Precision, _ folders: StackFolders, folder: String,
        inversions: URL? = nil
    ) throws {
        let network = try StableDiffusion(store, precision: precision)
        let defaults = try store.samplingDefaults()
        let request = GenerationRequest(
            prompt: "", steps: defaults.steps, guidanceScale: defaults.guidanceScale, width: network.defaultSize,
            height: network.defaultSize)
        let blank = PictureRecipe(
            engine: engineVersion, model: name, modelHash: try store.hash(), precision: precision, request: request)
        self.init(network, blank: blank, folders: folders, folder: folder, inversions: inversions)
    }
}
