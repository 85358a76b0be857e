import Adapters
import Foundation
import Generation
import Imaging
import Recipes
import TensorCore
import TestSupport
import Testing

@testable import Training

/// Styles of a few steps on a tiny model: they resume exactly, keep their rows, and say what they are.
@Suite(.serialized) struct PairTrainingTests {
    private func recipe(pairs: Int = 1) -> PairRecipe {
        var recipe = PairRecipe(
            name: "ink", model: "tiny", phrase: "in ink style",
            pairs: (0..<pairs).map {
                .init(content: "content-\($0).png", style: "style-\($0).png", prompt: "a sbu cat")
            },
            training: .init(
                steps: 6, styleFrom: 3, draws: 2, resolution: 32,
                optimizer: OptimizerRecipe(learningRate: 0.01, weightDecay: 0.1), samplesEvery: 100,
                checkpointEvery: 2))
        recipe.seed = 5
        recipe.network = .init(contentRank: 3, styleRank: 4)
        return recipe
    }

    /// Pictures with noise, wider than high.
    private func writePictures(_ folder: URL, pairs: Int) throws {
        for index in 0..<pairs {
            for (offset, name) in ["content", "style"].enumerated() {
                var random = TorchGenerator(seed: UInt64(10 * index + offset))
                let picture = (random.uniform([1, 3, 40, 56 + 8 * offset]) * 2 - 1).images()[0]
                try writeImage(picture, to: folder.appending(path: "\(name)-\(index).png").path)
            }
        }
    }

    private func model() throws -> StableDiffusion {
        try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
    }

    /// Trains into a folder, stopping after `limit` steps when it is given.
    private func train(_ recipe: PairRecipe, from pictures: URL, _ folder: URL, limit: Int? = nil) throws -> URL? {
        let steps = Counter()
        let context = TrainingContext(
            folder: folder, report: { event in if case .step = event { steps.add() } },
            shouldStop: { limit.map { steps.count >= $0 } ?? false })
        let training = try PairTraining(
            recipe: recipe, model: try model(), modelHash: "abc", context: context, recipeFolder: pictures)
        return try ComputeThread.shared.run { try training.run() }
    }

    @Test(arguments: [1, 2]) func `a stopped style ends in the same bytes as one that ran through`(_ pairs: Int) throws
    {
        try inTemporaryFolder { folder in
            try writePictures(folder, pairs: pairs)
            let (whole, stopped) = (folder.appending(path: "a"), folder.appending(path: "b"))
            let path = try #require(try train(recipe(pairs: pairs), from: folder, whole))
            #expect(try train(recipe(pairs: pairs), from: folder, stopped, limit: 1) == nil)
            #expect(try train(recipe(pairs: pairs), from: folder, stopped, limit: 3) == nil)
            let other = try #require(try train(recipe(pairs: pairs), from: folder, stopped))
            #expect(try Data(contentsOf: path) == Data(contentsOf: other))
            for index in 0..<pairs {
                let name = "ink-content-\(index).safetensors"
                #expect(
                    try Data(contentsOf: whole.appending(path: name)) == Data(contentsOf: stopped.appending(path: name))
                )
            }
        }
    }

    @Test func `files say what they are, and their rows stay apart`() throws {
        try inTemporaryFolder { folder in
            try writePictures(folder, pairs: 1)
            let path = try #require(try train(recipe(), from: folder, folder))
            let model = try model()
            let style = try Adapter(path: path.path, modules: model.modules)
            let content = try Adapter(
                path: folder.appending(path: "ink-content-0.safetensors").path, modules: model.modules)
            let note = try #require(style.styleNote)
            #expect(note.role == .style && note.phrase == "in ink style" && note.base == "abc" && note.steps == 6)
            #expect(content.styleNote?.role == .content && style.metadata["atelier.recipe"]?.contains("sbu") == true)
            #expect(style.layers.count == content.layers.count && style.layers.count >= 16)
            for (path, layer) in style.layers {
                let own = try #require(layer.delta as? LowRankDelta)
                let other = try #require(content.layers[path]?.delta as? LowRankDelta)
                #expect(path.contains(".attn") && own.scale == 1 && l2Norm(own.up) > 0 && l2Norm(other.up) > 0)
                let overlap = matmul(own.down, other.down.transposed(0, 1))
                #expect(maximumDifference(overlap, Tensor.zeros(overlap.shape)) < 1e-6)
            }
        }
    }

    @Test func `the style waits for its step, and pairs that are not drawn stay as they are`() throws {
        var recipe = recipe(pairs: 3)
        recipe.training.draws = 1
        recipe.training.steps = 12
        let pictures = (0..<3).map { index in
            AlignedPictures(
                [
                    Image(width: 32, height: 32, filledWith: (UInt8(40 * index), 90, 10)),
                    Image(width: 32, height: 32, filledWith: (200, UInt8(60 * index), 80)),
                ], side: 32)
        }
        try ComputeThread.shared.run {
            var trainer = try PairTrainer(recipe: recipe, model: try model(), pictures: pictures)
            func norms(_ prefix: String) -> Double {
                // In one order: another one gives the sum other last bits.
                trainer.learner.parameters.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
                    .reduce(0) { $0 + l2Norm($1.value) }
            }
            var changed: Set<Int> = []
            for step in 0..<5 {
                let before = (0..<3).map { norms("content.\($0).") }
                let values = try trainer.trainStep()
                let moved = (0..<3).filter { norms("content.\($0).") != before[$0] }
                #expect(moved.count == 1, "step \(step)")
                changed.formUnion(moved)
                #expect((norms("style.") > 0) == (step >= 3) && (values["style"] != nil) == (step >= 3))
            }
            #expect(changed.count > 1)
        }
    }

    @Test func `samples are drawn as the file and the model recommend`() throws {
        var recipe = recipe()
        (recipe.strength, recipe.start) = (0.8, 0.6)
        let picture = Image(width: 32, height: 32, filledWith: (90, 120, 10))
        func requests() throws -> [GenerationRequest] {
            try ComputeThread.shared.run {
                try PairTrainer(
                    recipe: recipe, model: try model(), pictures: [AlignedPictures([picture, picture], side: 32)],
                    sampling: SamplingDefaults(guidanceScale: 1.5, steps: 4)
                ).sampleRequests("a dog")
            }
        }
        var row = try requests()
        #expect(row.map { $0.styles?.first?.strength } == [0, 0.4, 0.8, 0.8 * 1.5])
        #expect(row.allSatisfy { $0.styles?.first?.start == 0.6 && $0.guidanceScale == 1.5 && $0.steps == 4 })
        #expect(row.allSatisfy { $0.prompt == "a dog" && $0.seed == 5 })
        // What the file says where the recipe says nothing.
        (recipe.strength, recipe.start) = (nil, nil)
        row = try requests()
        #expect(row.map { $0.styles?.first?.strength } == [0, 1.5, 3, 4.5] && row[0].styles?.first?.start == 0.8)
    }

    @Test func `SDXL learns a pair, whatever the files' sizes`() throws {
        try inTemporaryFolder { folder in
            try writePictures(folder, pairs: 1)
            var recipe = recipe()
            (recipe.training.steps, recipe.training.styleFrom, recipe.training.checkpointsBlocks) = (2, 0, true)
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sdxl")))
            let context = TrainingContext(folder: folder, report: { _ in })
            let training = try PairTraining(
                recipe: recipe, model: model, modelHash: "abc", context: context, recipeFolder: folder)
            let path = try #require(try ComputeThread.shared.run { try training.run() })
            let style = try Adapter(path: path.path, modules: model.modules)
            #expect(style.parameters.contains { $0.key.hasSuffix(AdapterRole.up.rawValue) && l2Norm($0.value) > 0 })
        }
    }

    @Test func `both pictures are cut at one place, and mirrored only when asked`() throws {
        // A ramp to the right in one picture, its double in the other.
        var (plain, bright) = (Image(width: 64, height: 32), Image(width: 64, height: 32))
        for y in 0..<32 {
            for x in 0..<64 {
                plain[x, y] = (UInt8(x), 0, 0)
                bright[x, y] = (UInt8(2 * x), 0, 0)
            }
        }
        let pictures = AlignedPictures([plain, bright], side: 32)
        var random = TorchGenerator(seed: 1)
        var cuts: Set<PictureCut> = []
        for _ in 0..<40 { cuts.insert(pictures.cut(.random, .never, factor: 4, random: &random)) }
        #expect(cuts.allSatisfy { !$0.isMirrored && $0.y == 0 && $0.x % 4 == 0 && $0.x <= 32 } && cuts.count == 9)
        cuts = []
        for _ in 0..<80 { cuts.insert(pictures.cut(.random, .random, factor: 4, random: &random)) }
        #expect(Set(cuts.map(\.isMirrored)).count == 2)
        let middle = pictures.cut(.center, .always, factor: 4, random: &random)
        #expect(middle == PictureCut(x: 16, y: 0, isMirrored: true))
        #expect(plain.mirrored().mirrored() == plain && plain.mirrored()[0, 3].red == 63)
        // Another size: the content takes the style's.
        let other = AlignedPictures([Image(width: 100, height: 30), bright], side: 64)
        #expect(other.pictures.allSatisfy { $0.width == 128 && $0.height == 64 })
        #expect(other.originalSizes[0] == (100, 30) && other.originalSizes[1] == (64, 32))
    }

    @Test func `the baseline is one plain adapter on the style picture`() throws {
        try inTemporaryFolder { folder in
            try writePictures(folder, pairs: 1)
            let baseline = recipe().baseline
            #expect(baseline.training.steps == 3 && baseline.name == "ink-dreambooth")
            let path = try #require(try train(baseline, from: folder, folder))
            let style = try Adapter(path: path.path, modules: try model().modules)
            #expect(style.styleNote?.method == "dreambooth")
            #expect(
                !FileManager.default.fileExists(
                    atPath: folder.appending(path: "ink-dreambooth-content-0.safetensors").path))
        }
    }

    @Test func `what cannot be trained is refused by its key`() throws {
        var late = recipe()
        late.training.styleFrom = 6
        var wordless = recipe()
        wordless.phrase = ""
        var none = recipe()
        none.pairs = []
        for (wrong, key) in [(late, "training.style_from"), (wordless, "phrase"), (none, "pairs")] {
            let error = #expect(throws: TrainingError.self) { try wrong.validate() }
            #expect(error?.description.contains("`\(key)`") == true)
        }
        var odd = recipe()
        odd.training.resolution = 36
        try inTemporaryFolder { folder in
            try writePictures(folder, pairs: 1)
            let error = #expect(throws: TrainingError.self) { try train(odd, from: folder, folder) }
            #expect(error?.description.contains("training.resolution") == true)
        }
    }
}
