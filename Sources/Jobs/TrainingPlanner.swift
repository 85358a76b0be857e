public import Foundation
public import Generation
import Recipes
import Synchronization
import Training

/// Turns jobs that train into tasks: the output is the adapter's file, made from a recipe file.
///
/// Checkpoints, logs and samples are in the run's folder under `.training/OUTPUT`; a training that was killed goes on from
/// there. Models that several recipes share are loaded once.
public final class TrainingPlanner: Sendable {
    /// What a training is made of.
    private struct Plan: Sendable {
        let key: String
        let run: @Sendable (TrainingContext) throws -> URL?
    }

    private struct Base: Sendable {
        let model: StableDiffusion
        let hash: String
    }

    private let folder: String
    private let output: URL
    private let store: @Sendable (String) throws -> any ModelStore
    private let bases = Mutex<[String: Base]>([:])

    /// - Parameters:
    ///   - folder: where relative paths of jobs start.
    ///   - output: the folder of the run.
    ///   - store: finds a model by its name in a recipe.
    public init(folder: String, output: URL, store: @escaping @Sendable (String) throws -> any ModelStore) {
        self.folder = folder
        self.output = output
        self.store = store
    }

    /// The output of a job, by its number.
    public static func output(of job: BatchJob, number: Int) -> String {
        job.output ?? PicturePlanner.numbered(number) + ".safetensors"
    }

    /// The job as a task: its key is the hash of the recipe and of the model.
    ///
    /// - Parameter isStopped: asked between steps.
    public func task(
        _ job: BatchJob, number: Int, isStopped: @escaping @Sendable () -> Bool = { false }
    ) -> BatchTask {
        let name = Self.output(of: job, number: number)
        return BatchTask(output: name) { [self] in
            guard name.hasSuffix(".safetensors") else {
                throw JobError("job \(number + 1): output", expected: "a name in .safetensors", found: "'\(name)'")
            }
            let plan = try plan(of: job, number: number)
            let context = TrainingContext(
                folder: output.appending(path: ".training/" + name), report: { _ in }, shouldStop: isStopped)
            return PreparedTask(key: try canonicalHash(of: [plan.key, name])) {
                guard let file = try plan.run(context) else { return nil }
                return [UInt8](try Data(contentsOf: file))
            }
        }
    }

    private func plan(of job: BatchJob, number: Int) throws -> Plan {
        guard let kind = job.train, let recipe = job.recipe else {
            throw JobError(
                "job \(number + 1): train", expected: "a kind of training, and a recipe beside it", found: "no recipe")
        }
        let path = recipe.hasPrefix("/") ? recipe : folder + "/" + recipe
        return switch kind {
        case .slider: try plan(SliderRecipe.self, at: path) { try $0.run() }
        case .pair: try plan(PairRecipe.self, at: path) { try $0.run() }
        case .lora: try plan(LoRARecipe.self, at: path) { try $0.run()?.first }
        }
    }

    private func plan<Recipe: AdapterRecipe>(
        _ type: Recipe.Type, at path: String, run: @escaping @Sendable (AdapterTraining<Recipe>) throws -> URL?
    ) throws -> Plan {
        let wanted = try decodeRecipe(type, at: path)
        let base = try base(wanted.model)
        return Plan(key: try canonicalHash(of: wanted) + base.hash) { context in
            try run(
                AdapterTraining(
                    recipe: wanted, model: base.model, modelHash: base.hash, context: context,
                    recipeFolder: URL(filePath: path).deletingLastPathComponent()))
        }
    }

    private func base(_ name: String) throws -> Base {
        if let found = bases.withLock({ $0[name] }) { return found }
        let store = try store(name)
        let made = Base(model: try StableDiffusion(store), hash: try store.hash())
        bases.withLock { $0[name] = made }
        return made
    }
}
