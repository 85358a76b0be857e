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

            The journal in the output folder says what is done. The same line again does what is left, and what failed.
            """)

    @Argument(help: "The jobs: .yaml, or .jsonl with one a line.")
    var jobs: String
    @Option(name: [.short, .long], help: "The folder for the outputs and the journal.")
    var output: String
    @Option(name: [.short, .long], help: "The model, in place of the list's.")
    var model: String?
    @Option(help: "Do one of several equal parts of the list: 2/5.")
    var shard: Shard = .whole
    @Flag(help: "Go on after a job that fails.")
    var keepGoing = false
    @Flag(help: "Check every job, print what is to be done as JSON lines, and draw nothing.")
    var dryRun = false
    @Option(help: "A folder of adapters that jobs name.")
    var loraModelDir: String?
    @Option(help: "Number format of weights and products: fp32 or bf16.")
    var precision: Precision = .fp32
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func run() async throws {
        try useThreads(threads)
        let list = try JobList(path: jobs)
        let name = model ?? list.model ?? "mini"
        let folders = StackFolders(own: loraModelDir.map { [$0] } ?? [], shipped: try? Assets.sliders(assets))
        Interrupt.watch()
        let (precision, shard, keepGoing, dryRun, assets) = (precision, shard, keepGoing, dryRun, assets)
        let output = URL(filePath: output, directoryHint: .isDirectory)
        let report = try await ComputeThread.shared.perform { () throws -> BatchRun.Report? in
            let training = TrainingPlanner(folder: list.folder, output: output) { name in
                try Assets.store(name, assets: assets)
            }
            // Trainings name their own models.
            var pictures: PicturePlanner?
            if list.jobs.contains(where: { $0.train == nil }) {
                pictures = try PicturePlanner(
                    Assets.store(name, assets: assets), name: name, precision: precision, folders, folder: list.folder)
            }
            if dryRun {
                for (number, job) in list.jobs.enumerated() where shard.contains(number) {
                    let line = try job.train == nil ? pictures?.recipe(of: job).json() : nil
                    print(try line ?? canonicalText(of: job))
                }
                return nil
            }
            let tasks = list.jobs.enumerated().compactMap { number, job in
                job.train == nil
                    ? pictures?.task(job, number: number) { Interrupt.isRequested }
                    : training.task(job, number: number) { Interrupt.isRequested }
            }
            let run = BatchRun(folder: output, shard: shard, keepsGoing: keepGoing)
            var progress = TerminalProgress(quietInterval: .seconds(20))
            return try run.run(
                tasks,
                report: { event in
                    if let error = event.error { complain("\(event.output): \(error)") }
                    progress.show(
                        "jobs", step: event.done, total: event.total, secondsLeft: event.secondsLeft)
                }, shouldStop: { Interrupt.isRequested })
        }
        guard let report else { return }
        print("\(report.made) made, \(report.kept) done before, \(report.failed.count) failed")
        if report.isStopped { throw Interrupted() }
        if !report.failed.isEmpty { throw ExitCode(1) }
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
        _ store: any ModelStore, name: String, precision: Precision, _ folders: StackFolders, folder: String
    ) throws {
        let network = try StableDiffusion(store, precision: precision)
        let defaults = try store.samplingDefaults()
        let request = GenerationRequest(
            prompt: "", steps: defaults.steps, guidanceScale: defaults.guidanceScale, width: network.defaultSize,
            height: network.defaultSize)
        let blank = PictureRecipe(
            engine: engineVersion, model: name, modelHash: try store.hash(), precision: precision, request: request)
        self.init(network, blank: blank, folders: folders, folder: folder)
    }
}
