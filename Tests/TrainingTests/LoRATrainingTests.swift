import Adapters
import Foundation
import Generation
import Imaging
import TensorCore
import TestSupport
import Testing

@testable import Training

/// Plain adapters of a few steps on a tiny model: they resume exactly, keep their prior, and are files for others.
@Suite(.serialized) struct LoRATrainingTests {
    private func recipe() -> LoRARecipe {
        LoRARecipe(
            name: "dog", model: "tiny", data: [.init(folder: "photos", prompt: "a sbu dog")],
            network: .init(rank: 2, alpha: 1, layers: .attention),
            training: .init(
                steps: 4, draws: 2, resolution: 32, optimizer: OptimizerRecipe(learningRate: 0.01),
                samplesEvery: 100, checkpointEvery: 2))
    }

    private func writePictures(_ folder: URL) throws {
        let photos = folder.appending(path: "photos")
        try FileManager.default.createDirectory(at: photos, withIntermediateDirectories: true)
        for (seed, name) in ["a", "b"].enumerated() {
            var random = TorchGenerator(seed: UInt64(seed))
            let picture = (random.uniform([1, 3, 40, 56]) * 2 - 1).images()[0]
            try writeImage(picture, to: photos.appending(path: name + ".png").path)
        }
        try Data("a dog on a sofa\n".utf8).write(to: photos.appending(path: "b.txt"))
    }

    private func train(_ recipe: LoRARecipe, from base: URL, _ folder: URL, limit: Int? = nil) throws -> [URL]? {
        let steps = Counter()
        let context = TrainingContext(
            folder: folder, report: { event in if case .step = event { steps.add() } },
            shouldStop: { limit.map { steps.count >= $0 } ?? false })
        let training = try LoRATraining(
            recipe: recipe, model: try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))),
            modelHash: "abc", context: context, recipeFolder: base)
        return try ComputeThread.shared.run { try training.run() }
    }

    @Test func `a stopped training ends in the same bytes as one that ran through`() throws {
        try inTemporaryFolder { folder in
            try writePictures(folder)
            var recipe = recipe()
            recipe.network.textEncoderRate = 0.5
            recipe.prior = .init(prompt: "a dog", count: 2)
            recipe.training.promptDropout = 0.3
            recipe.training.minSNRGamma = 5
            let (whole, stopped) = (folder.appending(path: "a"), folder.appending(path: "b"))
            let paths = try #require(try train(recipe, from: folder, whole))
            #expect(try train(recipe, from: folder, stopped, limit: 1) == nil)
            #expect(try train(recipe, from: folder, stopped, limit: 2) == nil)
            let again = try #require(try train(recipe, from: folder, stopped))
            #expect(try Data(contentsOf: paths[0]) == Data(contentsOf: again[0]))
            // The text encoder learnt, too, and the model's own pictures of the class are kept.
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
            let adapter = try Adapter(path: paths[0].path, modules: model.modules)
            let moved = adapter.parameters.filter { $0.key.hasSuffix(AdapterRole.up.rawValue) && l2Norm($0.value) > 0 }
            #expect(
                moved.contains { $0.key.hasPrefix("text_encoder.") } && moved.contains { $0.key.hasPrefix("unet.") })
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: whole.appending(path: "prior").path).sorted()
                    == ["00000.png", "00001.png"])
        }
    }

    @Test func `every format says the same, and alpha is kept`() throws {
        try inTemporaryFolder { folder in
            try writePictures(folder)
            var recipe = recipe()
            recipe.formats = ["kohya", "peft"]
            let paths = try #require(try train(recipe, from: folder, folder.appending(path: "t")))
            #expect(paths.map(\.lastPathComponent) == ["dog.safetensors", "dog-peft.safetensors"])
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
            let adapters = try paths.map { try Adapter(path: $0.path, modules: model.modules) }
            #expect(adapters[0].layers.count == adapters[1].layers.count && adapters[0].layers.count >= 16)
            for (path, layer) in adapters[0].layers {
                #expect((layer.delta as? LowRankDelta)?.scale == 0.5)
                let (one, other) = (
                    try #require(try layer.dense()), try #require(try adapters[1].layers[path]?.dense())
                )
                #expect(relativeL2(one, other) < 1e-5)
            }
            #expect(adapters[0].metadata["atelier.base"] == "abc")
        }
    }

    @Test func `captions are those of text files, then the folder's`() throws {
        try inTemporaryFolder { folder in
            try writePictures(folder)
            let read = try CaptionedPictures(
                [.init(folder: "photos", prompt: "a sbu dog", repeats: 2)], relativeTo: folder)
            #expect(read.entries.map(\.caption) == ["a sbu dog", "a sbu dog", "a dog on a sofa", "a dog on a sofa"])
            let wordless = #expect(throws: TrainingError.self) {
                try CaptionedPictures([.init(folder: "photos")], relativeTo: folder)
            }
            #expect(wordless?.description.contains("a.txt") == true)
            #expect(throws: TrainingError.self) { try CaptionedPictures([.init(folder: "none")], relativeTo: folder) }
        }
    }

    @Test func `a caption that is not UTF-8 is an error with its path`() throws {
        try inTemporaryFolder { folder in
            try writePictures(folder)
            let words = folder.appending(path: "photos/a.txt")
            try Data([0x61, 0xE9, 0x20, 0x62]).write(to: words)
            let error = #expect(throws: CaptionError.self) {
                try CaptionedPictures([.init(folder: "photos", prompt: "a sbu dog")], relativeTo: folder)
            }
            #expect(
                error?.description == "\(words.path): expected a caption as text in UTF-8, found bytes that are none")
        }
    }

    @Test func `pictures that nothing here reads are told of`() throws {
        try inTemporaryFolder { folder in
            try writePictures(folder)
            #expect(recipe().unreadPictures(beside: folder).isEmpty)
            for name in ["c.webp", "d.BMP", "notes.md", ".hidden.webp"] {
                try Data("x".utf8).write(to: folder.appending(path: "photos/" + name))
            }
            #expect(
                recipe().unreadPictures(beside: folder) == [
                    UnreadPictures(folder: folder.appending(path: "photos").path, names: ["c.webp", "d.BMP"])
                ])
        }
    }

    @Test func `layers are chosen by kind, and wrong recipes named by key`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        func count(_ network: LoRARecipe.Network) -> Int { network.modules(of: model.modules).count }
        let attention = count(.init(rank: 1, layers: .attention))
        let transformers = count(.init(rank: 1))
        let all = count(.init(rank: 1, layers: .all))
        #expect(attention < transformers && transformers < all)
        #expect(count(.init(rank: 1, textEncoderRate: 1)) > transformers)
        var (format, rank, empty) = (recipe(), recipe(), recipe())
        format.formats = ["webui"]
        rank.network.rank = 0
        empty.data = []
        for (wrong, key) in [(format, "formats"), (rank, "network.rank"), (empty, "data")] {
            let error = #expect(throws: TrainingError.self) { try wrong.validate() }
            #expect(error?.description.contains("`\(key)`") == true)
        }
    }
}
