import ArgumentParser
import Foundation
import Recipes
import TensorCore
import Training

/// `atelier train ...`: one subcommand a kind of training.
struct Train: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train models.",
        subcommands: [
            TrainBase.self, TrainProbe.self, TrainSlider.self, TrainPair.self, TrainLoRA.self,
        ])
}

/// `atelier train base`: a latent-diffusion model from nothing.
struct TrainBase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "base",
        abstract: "Train an autoencoder, a text encoder and a UNet from scratch; continues where it was stopped.")

    @Argument(help: "The recipe (YAML).")
    var recipe: String
    @Option(name: [.short, .long], help: "The folder for checkpoints, logs, samples and the finished model.")
    var output: String
    @Option(
        name: .customLong("warm-start"),
        help: "A trained model folder to start from, with a fresh optimiser; parts it lacks start at random.")
    var warmStart: String?
    @OptionGroup var device: DeviceOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func run() async throws {
        try useThreads(threads)
        let decoded = try decodeRecipe(BaseRecipe.self, at: recipe)
        let context = try trainingContext(output, device: try device.backend())
        let start = try warmStart.map(WarmStart.init(path:))
        let training: BaseTraining
        do {
            training = try BaseTraining(recipe: decoded, context: context, warmStart: start)
        } catch let error as TrainingError {
            throw RecipeFault(description: "\(recipe): \(error)")
        }
        let folder = try await ComputeThread.shared.perform { try training.run() }
        guard let folder else { throw Interrupted() }
        print(folder.path)
    }
}

/// Where a training writes: the folder is made, and Ctrl-C asks the training to stop.
func trainingContext(_ output: String, device: any Backend = CPUBackend.shared) throws -> TrainingContext {
    Interrupt.watch()
    let reporter = TrainingReporter()
    let context = TrainingContext(
        folder: URL(filePath: output, directoryHint: .isDirectory), report: { reporter.show($0) },
        shouldStop: { Interrupt.isRequested }, device: device)
    try makeFolder(context.folder)
    return context
}

/// A recipe that cannot be trained, with the file's name.
struct RecipeFault: Error, CustomStringConvertible {
    let description: String
}

/// Sets how many threads kernels use, when the user says so.
func useThreads(_ threads: Int?) throws {
    guard let threads else { return }
    guard (1...1024).contains(threads) else {
        throw UsageError(description: "--threads: expected 1 to 1024, found \(threads)")
    }
    ComputeThread.shared.threadCount = threads
}

/// Shows training events on stderr.
final class TrainingReporter: Sendable {
    private let progress = Locked(TerminalProgress(quietInterval: .seconds(20)))

    func show(_ event: TrainingEvent) {
        progress.withLock { progress in
            switch event {
            case .message(let text): progress.note(text)
            case .step(let stage, let step, let total, let values, let secondsLeft):
                let loss = values["loss"].map { String(format: "  loss %.4f", $0) } ?? ""
                progress.show(stage, step: step, total: total, detail: loss, secondsLeft: secondsLeft)
            case .sample(_, _, let path): progress.note(path)
            }
        }
    }
}
