public import Foundation
public import Generation
import Recipes
import Synchronization
import Training

/// Turns jobs that train into tasks: the output is the adapter's file, made from a recipe file.
///
/// Checkpoints, logs and samples are in the run's folder under `.training/OUTPUT-KEY`; a training that was killed goes on
/// from there. The key is of the recipe with what the job sets, of the model, and of the pictures that it learns from: where
/// one of them changes, another training begins in a folder of its own, and the old one stays. Models that several recipes
/// share are loaded once.
public final class TrainingPlanner: Sendable {
    /// What a training is made of.
    private struct Plan: Sendable {
        let key: String
        let run: @Sendable (TrainingContext) throws -> URL?
    }

    private struct Base: Sendable {
        let model: StableDiffusion
        let hash: String
        let sampling: SamplingDefaults
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

    /// The job as a task: its key is the hash of the recipe with what the job sets, of the model, and of the pictures that
    /// it learns from.
    ///
    /// - Parameter isStopped: asked between steps.
    public func task(
        _ job: BatchJob, number: Int, isStopped: @escaping @Sendable () -> Bool = { false }
    ) -> BatchTask {
        let name = Self.output(of: job, number: number)
        return BatchTask(output: name) { [self] in
            let plan = try plan(of: job, number: number)
            let context = TrainingContext(
                folder: output.appending(path: ".training/\(name)-\(plan.key.prefix(12))"), report: { _ in },
                shouldStop: isStopped)
            return PreparedTask(key: try canonicalHash(of: [plan.key, name])) {
                guard let file = try plan.run(context) else { return nil }
                return [UInt8](try Data(contentsOf: file))
            }
        }
    }

    /// Checks what the task checks before it is done: the output's name, the recipe, its model and its pictures.
    ///
    /// - Throws: what preparing the task throws.
    public func check(_ job: BatchJob, number: Int) throws { _ = try plan(of: job, number: number) }

    private func plan(of job: BatchJob, number: Int) throws -> Plan {
        let name = Self.output(of: job, number: number)
        guard name.hasSuffix(".safetensors") else {
            throw JobError("job \(number + 1): output", expected: "a name in .safetensors", found: "'\(name)'")
        }
        guard let kind = job.train, let recipe = job.recipe else {
            throw JobError(
                "job \(number + 1): train", expected: "a kind of training, and a recipe beside it", found: "no recipe")
        }
        let path = recipe.hasPrefix("/") ? recipe : folder + "/" + recipe
        let set = job.set ?? [:]
        return switch kind {
        case .slider: try plan(SliderRecipe.self, at: path, set, \.learntFiles) { try $0.run() }
        case .pair: try plan(PairRecipe.self, at: path, set, \.learntFiles) { try $0.run() }
        case .lora: try plan(LoRARecipe.self, at: path, set, \.learntFiles) { try $0.run()?.first }
        }
    }

    private func plan<Recipe: AdapterRecipe>(
        _ type: Recipe.Type, at path: String, _ set: [String: RecipeSetting], _ files: (Recipe) -> [String],
        run: @escaping @Sendable (AdapterTraining<Recipe>) throws -> URL?
    ) throws -> Plan {
        let wanted = try decodeRecipe(type, at: path, setting: set)
        do { try wanted.validate() } catch { throw JobError(path, expected: "a valid recipe", found: "\(error)") }
        let folder = URL(filePath: path).deletingLastPathComponent()
        let base = try base(wanted.model)
        let identity = Identity(
            recipe: wanted, model: base.hash, files: try files(wanted).map { try hash(of: $0, beside: folder) })
        return Plan(key: try canonicalHash(of: identity)) { context in
            try run(
                AdapterTraining(
                    recipe: wanted, model: base.model, modelHash: base.hash, context: context, recipeFolder: folder,
                    sampling: base.sampling))
        }
    }

    private struct Identity<Recipe: Encodable>: Encodable {
        let recipe: Recipe
        let model: String
        let files: [String]
    }

    /// The hash of a file, or of what lies in a folder: pictures and captions, not what is below.
    private func hash(of name: String, beside folder: URL) throws -> String {
        let path = name.hasPrefix("/") ? name : folder.appending(path: name).path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw JobError(path, expected: "pictures to learn from", found: "nothing")
        }
        guard isFolder.boolValue else { return try sha256Hex(ofFile: path) }
        let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        return try canonicalHash(
            of: names.filter { !$0.hasPrefix(".") }.map { name in
                let file = path + "/" + name
                _ = FileManager.default.fileExists(atPath: file, isDirectory: &isFolder)
                return [name, isFolder.boolValue ? "" : try sha256Hex(ofFile: file)]
            })
    }

    private func base(_ name: String) throws -> Base {
        if let found = bases.withLock({ $0[name] }) { return found }
        let store = try store(name)
        let made = Base(
            model: try StableDiffusion(store), hash: try store.hash(), sampling: try store.samplingDefaults())
        bases.withLock { $0[name] = made }
        return made
    }
}

/// The files and folders that a training learns from, by the names in its recipe.
extension SliderRecipe {
    fileprivate var learntFiles: [String] { pairs?.levels?.map(\.folder) ?? [] }
}

extension PairRecipe {
    fileprivate var learntFiles: [String] { pairs.flatMap { [$0.content, $0.style] } }
}

extension LoRARecipe {
    fileprivate var learntFiles: [String] { data.map(\.folder) }
}
