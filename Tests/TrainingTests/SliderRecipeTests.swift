import Adapters
import DiffusionModels
import Foundation
import Generation
import Layers
import Recipes
import Synchronization
import TensorCore
import TestSupport
import Testing

@testable import Training

/// What a slider's recipe can ask for beyond the original: stacks, orthogonality, whole weights, early stops.
@Suite(.serialized) struct SliderRecipeTests {
    private func recipe(_ name: String = "age", steps: Int = 2) -> SliderRecipe {
        SliderRecipe(
            name: name, model: "tiny",
            prompts: [
                SliderPrompt(
                    target: "a man", positive: "an old man", opposite: "a young man", guidanceScale: 2, resolution: 64)
            ], network: .init(rank: 2),
            training: .init(
                steps: steps, draws: 1, optimizer: OptimizerRecipe(learningRate: 0.02),
                runs: .init(steps: 3, kept: 1, renewEvery: 2), samplesEvery: 100, checkpointEvery: 1))
    }

    private static let messages = Mutex<[String]>([])

    @discardableResult
    private func train(_ recipe: SliderRecipe, _ output: URL, folder: URL, limit: Int? = nil) throws -> URL? {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let steps = Counter()
        Self.messages.withLock { $0 = [] }
        let context = TrainingContext(
            folder: output,
            report: { event in
                switch event {
                case .step: steps.add()
                case .message(let text): Self.messages.withLock { $0.append(text) }
                default: break
                }
            }, shouldStop: { limit.map { steps.count >= $0 } ?? false })
        let training = try SliderTraining(
            recipe: recipe, model: model, modelHash: "abc", context: context, recipeFolder: folder)
        return try ComputeThread.shared.run { try training.run() }
    }

    /// What two steps teach, without files and samples.
    private func learn(_ recipe: SliderRecipe, folder: URL? = nil) throws -> Adapter {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        return try ComputeThread.shared.run {
            var trainer = try SliderTrainer(recipe: recipe, model: model, folder: folder)
            for _ in 0..<2 { _ = try trainer.trainStep() }
            return trainer.adapter()
        }
    }

    /// Writes what two steps teach into a folder.
    @discardableResult
    private func writeSlider(_ recipe: SliderRecipe, _ folder: URL) throws -> Adapter {
        let adapter = try learn(recipe)
        try adapter.write(to: folder.appending(path: recipe.name + ".safetensors").path, format: .sliders)
        return adapter
    }

    private func adapter(_ file: URL?) throws -> Adapter {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        return try Adapter(path: try #require(file).path, modules: model.modules)
    }

    // MARK: What the original's files ask for

    @Test func `a dynamic resolution draws every size from its half to 64 below it`() throws {
        #expect(DenoisingRuns.dynamicSides(512) == 4..<8)
        #expect(DenoisingRuns.dynamicSides(128) == 1..<2 && DenoisingRuns.dynamicSides(64) == 1..<2)
        var wanted = recipe()
        wanted.prompts?[0].resolution = 512
        wanted.prompts?[0].dynamicResolution = true
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let runs = try DenoisingRuns(wanted, objective: TextSliderObjective(wanted, model: model))
        var random = TorchGenerator(seed: 1)
        let shapes = (0..<100).map { _ in runs.latentShape(0, random: &random) }
        let sides = Set(shapes.flatMap { $0.suffix(2) }.map { $0 * model.latentFactor })
        #expect(sides == [256, 320, 384, 448])
    }

    @Test func `dynamic crops are told to a model that reads sizes`() throws {
        var wanted = recipe()
        wanted.prompts?[0].dynamicCrops = true
        func runs(_ name: String) throws -> DenoisingRuns {
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path(name)))
            return try DenoisingRuns(wanted, objective: TextSliderObjective(wanted, model: model))
        }
        var random = TorchGenerator(seed: 1)
        #expect(try runs("tiny-sd").cut(0, latents: [1, 4, 32, 32], random: &random) == nil)
        let large = try runs("tiny-sdxl")
        let model = large.objective.model
        let side = 32 * model.latentFactor
        for _ in 0..<20 {
            let origin = try #require(large.cut(0, latents: [1, 4, 32, 32], random: &random))
            #expect((side...3 * side).contains(origin.width) && (side...3 * side).contains(origin.height))
            #expect((0...origin.width - side).contains(origin.left) && (0...origin.height - side).contains(origin.top))
        }
        let text = model.text("a man")
        let origin = PictureOrigin(width: 200, height: 100, top: 7, left: 9)
        let told = model.addedConditioning(text, width: 64, height: 32, origin: origin, isNegative: false)
        #expect(told?.timeIDs?.floats == [100, 200, 7, 9, 32, 64])
        // It is part of what a draw learns from, and of the saved state.
        var kept = KeptRuns(limit: 1)
        kept.add(.init(entry: 0, latents: Tensor.zeros([2, 1, 4, 4, 4]), origin: origin))
        var restored = KeptRuns(limit: 1)
        restored.restore(kept.tensors)
        #expect(restored.runs.first?.origin == origin)
    }

    @Test func `a model that is told no crops says so`() throws {
        try inTemporaryFolder { folder in
            var wanted = recipe(steps: 1)
            wanted.prompts?[0].dynamicCrops = true
            try train(wanted, folder.appending(path: "t"), folder: folder, limit: 0)
            #expect(Self.messages.withLock { $0.contains { $0.contains("dynamic_crops") } })
        }
    }

    // MARK: Other networks

    @Test func `a rank is a number or full`() throws {
        struct Holder: Codable { var rank: SliderRank }
        #expect(try decodeRecipe(Holder.self, yaml: "rank: 4").rank == 4)
        #expect(try decodeRecipe(Holder.self, yaml: "rank: full").rank == .full)
        #expect(throws: RecipeError.self) { try decodeRecipe(Holder.self, yaml: "rank: half") }
        #expect(String(decoding: try canonicalJSON(of: Holder(rank: 4)), as: UTF8.self) == "{\"rank\":4}")
        #expect(String(decoding: try canonicalJSON(of: Holder(rank: .full)), as: UTF8.self) == "{\"rank\":\"full\"}")
    }

    @Test func `whole weights learn, too, and further formats are written`() throws {
        try inTemporaryFolder { folder in
            var wanted = recipe()
            wanted.network.rank = .full
            wanted.formats = ["kohya"]
            let trained = try adapter(train(wanted, folder.appending(path: "t"), folder: folder))
            #expect(trained.layers.values.allSatisfy { $0.kind == "full" } && trained.layers.count > 10)
            #expect(try trained.norm() > 0)
            let export = try adapter(folder.appending(path: "t/age-kohya.safetensors"))
            #expect(abs(try export.cosine(trained) - 1) < 1e-5)
            wanted.formats = ["peft"]
            let error = #expect(throws: TrainingError.self) { try wanted.validate() }
            #expect(error?.description.contains("`formats`") == true)
            var lowRank = recipe(steps: 1)
            lowRank.formats = ["kohya", "peft"]
            let low = try adapter(train(lowRank, folder.appending(path: "u"), folder: folder))
            for name in ["kohya", "peft"] {
                let export = try adapter(folder.appending(path: "u/age-\(name).safetensors"))
                let (shared, whole) = (try export.innerProduct(low), try low.innerProduct(low))
                #expect(whole > 0 && abs(shared - whole) <= 1e-5 * whole)
            }
        }
    }

    @Test func `blocks that are run again give the same gradients`() throws {
        var wanted = recipe()
        let kept = try learn(wanted)
        wanted.training.checkpointsBlocks = true
        let replayed = try learn(wanted)
        for (key, tensor) in kept.parameters {
            #expect(try isBitEqual(tensor, #require(replayed.parameters[key])), "\(key)")
        }
    }

    // MARK: Stacks

    /// The largest cosine of two sliders at any layer that both change.
    private func largestCosine(_ a: Adapter, _ b: Adapter) throws -> Double {
        try a.layers.compactMap { path, layer in
            try b.layers[path].map { other in
                try abs(Adapter(name: "", layers: [layer]).cosine(Adapter(name: "", layers: [other])))
            }
        }.max() ?? 1
    }

    @Test func `a slider learns beside others, and keeps out of their way`() throws {
        try inTemporaryFolder { folder in
            let first = try writeSlider(recipe("first"), folder)
            var wanted = recipe("second")
            wanted.seed = 5
            let lonely = try learn(wanted, folder: folder)
            wanted.stack = [.init(slider: "first.safetensors", scale: 1)]
            let free = try learn(wanted, folder: folder)
            #expect(try largestCosine(free, first) > 1e-4)
            // The stack changes what is learnt.
            #expect(try lonely.cosine(free) < 0.99999)
            wanted.orthogonal = true
            for rank in [2, SliderRank.full] {
                wanted.network.rank = rank
                let held = try learn(wanted, folder: folder)
                #expect(try largestCosine(held, first) < 1e-5 && held.norm() > 0, "\(rank)")
            }
        }
    }

    @Test func `a slider of the stack that starts late acts from its start on`() throws {
        try inTemporaryFolder { folder in
            var first = try learn(recipe("first"))
            var note = SliderNote(name: "first", base: "abc")
            note.start = 0.5
            try first.setNote(note)
            try first.write(to: folder.appending(path: "first.safetensors").path, format: .sliders)
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
            var wanted = recipe("second")
            wanted.stack = [.init(slider: "first.safetensors", scale: 1)]
            var random = TorchGenerator(seed: 1)
            let factors = try SliderFactors(wanted, model: model, folder: folder, random: &random)
            let stack = try factors.stack(of: factors.untrained, sites: model.sites, isTrainable: true)
            let alone = try AdapterStack([StackEntry(factors.untrained, isTrainable: true)], sites: model.sites)
            let objective = TextSliderObjective(wanted, model: model)
            let latents = random.normal([1, 4, 16, 16])
            func loss(_ stack: AdapterStack, at timestep: Float) -> Float {
                objective.loss(SliderDraw(entry: 0, latents: latents, timestep: timestep), stack).item
            }
            #expect(loss(stack, at: 900) == loss(alone, at: 900))
            #expect(loss(stack, at: 100) != loss(alone, at: 100))
        }
    }

    @Test func `a stack that has another file is another recipe`() throws {
        try inTemporaryFolder { folder in
            try writeSlider(recipe("first"), folder)
            var wanted = recipe("second")
            wanted.stack = [.init(slider: "first.safetensors", scale: 1)]
            #expect(try train(wanted, folder.appending(path: "t"), folder: folder, limit: 1) == nil)
            var again = recipe("first")
            again.seed = 9
            try writeSlider(again, folder)
            let error = #expect(throws: TrainingError.self) {
                try train(wanted, folder.appending(path: "t"), folder: folder)
            }
            #expect(error?.description.contains("inputs[0]") == true)
        }
    }

    // MARK: Ends

    @Test func `a stop is told by the checks alone`() {
        func checks(_ effects: [Float], drift: Float = 0) -> [SliderStop.Check] {
            effects.enumerated().map { .init(step: $0, effect: $1, drift: drift) }
        }
        let stop = SliderStop(every: 10, effect: 0.4, growth: 0.01, patience: 2, drift: 1)
        #expect(stop.reason([]) == nil)
        #expect(stop.reason(checks([0.1, 0.2, 0.3])) == nil)
        #expect(stop.reason(checks([0.1, 0.3, 0.305, 0.2])) == .saturated)
        #expect(stop.reason(checks([0.1, 0.3, 0.305, 0.32])) == nil)
        #expect(stop.reason(checks([0.1, 0.41])) == .reached)
        #expect(stop.reason(checks([0.1, 0.2], drift: 1.5)) == .drifted)
    }

    @Test func `a recipe that has changed is told apart key by key, and nothing is lost`() throws {
        try inTemporaryFolder { folder in
            let output = folder.appending(path: "t")
            let wanted = recipe()
            #expect(try train(wanted, output, folder: folder, limit: 1) == nil)
            let checkpoint = output.appending(path: "slider/checkpoint.safetensors")
            let before = try Data(contentsOf: checkpoint)
            var changed = wanted
            changed.network.rank = 4
            changed.prompts?[0].positive = "a very old man"
            let error = #expect(throws: TrainingError.self) { try train(changed, output, folder: folder) }
            let text = error?.description ?? ""
            #expect(text.contains("recipe.network.rank 2 -> 4") && text.contains("a very old man"), "\(text)")
            #expect(text.contains("--output") && text.contains("step 1"))
            #expect(try Data(contentsOf: checkpoint) == before)
            // Elsewhere it starts, and here the old recipe goes on.
            try train(changed, folder.appending(path: "u"), folder: folder, limit: 0)
            try train(wanted, output, folder: folder, limit: 0)
            #expect(Self.messages.withLock { $0.contains { $0.contains("continuing at step 1") } })
        }
    }

    @Test func `keys that do not go together are refused`() {
        var unstacked = recipe()
        unstacked.orthogonal = true
        var unnamed = recipe()
        unnamed.training.stop = SliderStop(every: 1)
        var format = recipe()
        format.formats = ["pickle"]
        var rank = recipe()
        rank.network.rank = 0
        for (wrong, key) in [
            (unstacked, "orthogonal"), (unnamed, "trait"), (format, "formats"), (rank, "network.rank"),
        ] {
            let error = #expect(throws: TrainingError.self) { try wrong.validate() }
            #expect(error?.description.contains("`\(key)`") == true)
        }
    }
}
