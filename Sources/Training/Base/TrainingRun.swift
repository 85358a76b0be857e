public import Foundation
import Generation
import Imaging
public import TensorCore

/// What happens while a training runs, for whoever shows it.
public enum TrainingEvent: Sendable {
    case message(String)
    case step(stage: String, step: Int, total: Int, values: [String: Double], secondsLeft: Double)
    case sample(stage: String, step: Int, path: String)
}

/// Where a training writes, how it reports, and when it is asked to stop.
public struct TrainingContext: Sendable {
    public let folder: URL
    public let report: @Sendable (TrainingEvent) -> Void
    public let shouldStop: @Sendable () -> Bool
    /// Where the training computes.
    public let device: any Backend

    public init(
        folder: URL, report: @escaping @Sendable (TrainingEvent) -> Void,
        shouldStop: @escaping @Sendable () -> Bool = { false }, device: any Backend = CPUBackend.shared
    ) {
        self.folder = folder
        self.report = report
        self.shouldStop = shouldStop
        self.device = device
    }
}

/// Runs a stage to its end, or until it is asked to stop, saving checkpoints on the way.
struct StageRun<Trainer: StageTrainer> {
    var trainer: Trainer
    let context: TrainingContext
    let checkpointEvery: Int
    let samplesEvery: Int

    private var folder: URL { context.folder.appending(path: Trainer.name) }

    /// - Parameter recipe: the JSON that the fingerprint was taken of, so that a changed recipe can be told apart.
    /// - Returns: whether the stage is complete.
    mutating func run(fingerprint: String, recipe: String? = nil) throws -> Bool {
        let checkpoint = TrainingCheckpoint(
            folder: folder, fingerprint: fingerprint, recipe: recipe, precision: trainer.precision)
        if let (learner, extra) = try checkpoint.load(into: trainer.learner) {
            trainer.restore(learner)
            trainer.restore(extra: extra)
            context.report(.message("\(Trainer.name): continuing at step \(learner.step)"))
        }
        trainer.restore(trainer.learner.moved(to: context.device))
        if trainer.precision == .bf16 && !CPUBackend.shared.hasBFloat16Tiles {
            context.report(
                .message(
                    "\(Trainer.name): this processor has no tile registers for bfloat16: weights are rounded, but steps "
                        + "are hardly faster"))
        }
        let log = try TrainingLog(
            path: folder.appending(path: "log.jsonl"), keepingSteps: trainer.learner.step,
            precision: trainer.precision)
        var clock = StepClock()
        while trainer.learner.step < trainer.totalSteps && trainer.stopReason == nil {
            if context.shouldStop() {
                try checkpoint.save(trainer.learner, extra: trainer.extraState)
                return false
            }
            let values = try trainer.trainStep()
            guard values["loss", default: .nan].isFinite else {
                throw TrainingError.notFinite(what: "the loss", step: trainer.learner.step, kept: folder.path)
            }
            let step = trainer.learner.step
            let secondsLeft = clock.secondsLeft(stepsLeft: trainer.totalSteps - step)
            try log.append(step: step, values: values, secondsPerStep: clock.secondsPerStep)
            context.report(
                .step(
                    stage: Trainer.name, step: step, total: trainer.totalSteps, values: values,
                    secondsLeft: secondsLeft))
            let isLast = step == trainer.totalSteps || trainer.stopReason != nil
            if step % max(checkpointEvery, 1) == 0 || isLast {
                try checkpoint.save(trainer.learner, extra: trainer.extraState)
            }
            if step % max(samplesEvery, 1) == 0 || isLast { try writeSample(step) }
        }
        if let reason = trainer.stopReason {
            context.report(.message("\(Trainer.name): ended at step \(trainer.learner.step), \(reason)"))
        }
        return true
    }

    private func writeSample(_ step: Int) throws {
        guard let picture = try trainer.samplePicture() else { return }
        let name = "sample-" + String(format: "%06d", step) + ".png"
        let path = folder.appending(path: name).path
        try writeImage(picture, to: path)
        context.report(.sample(stage: Trainer.name, step: step, path: path))
    }
}

/// Measures steps and says how long the rest will take.
struct StepClock {
    private var last = ContinuousClock.now
    private(set) var secondsPerStep = 0.0

    mutating func secondsLeft(stepsLeft: Int) -> Double {
        let now = ContinuousClock.now
        let seconds = Double((now - last).components.attoseconds) * 1e-18 + Double((now - last).components.seconds)
        last = now
        // A moving average that follows changes of speed within some twenty steps.
        secondsPerStep = secondsPerStep == 0 ? seconds : 0.95 * secondsPerStep + 0.05 * seconds
        return secondsPerStep * Double(stepsLeft)
    }
}
