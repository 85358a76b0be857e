import Foundation
@testable import Generation
import Imaging
import TensorCore
import TestSupport
import Testing
import Weights

@testable import Jobs

/// What jobs of a batch share: encodings of texts and inversions of pictures, counted, and the same bits as without.
@Suite(.serialized) struct SharedWorkTests {
    private let model: StableDiffusion

    init() throws { model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))) }

    private func planner(_ folder: URL, steps: Int = 3, encodingBytes: Int = 1 << 20) -> PicturePlanner {
        let blank = PictureRecipe(
            engine: "1", model: "tiny", modelHash: "abc", precision: .fp32,
            request: GenerationRequest(prompt: "", steps: steps, guidanceScale: 3, width: 32, height: 32))
        return PicturePlanner(
            model, blank: blank, folders: StackFolders(own: []), folder: folder.path,
            inversions: folder.appending(path: ".inversions"), encodingBytes: encodingBytes)
    }

    private func job(_ prompt: String, seed: UInt64 = 1, _ change: (inout BatchJob) -> Void = { _ in }) -> BatchJob {
        var job = BatchJob()
        (job.prompt, job.seed, job.sampler) = (prompt, seed, "euler")
        change(&job)
        return job
    }

    @Test func `each text is read once, and the picture stays the same to the bit`() throws {
        try inTemporaryFolder { folder throws in
            let planner = planner(folder)
            let jobs = (0..<6).map { job(["a cat", "a dog"][$0 % 2], seed: UInt64($0)) }
            let recipes = try jobs.map { try planner.recipe(of: $0) }
            let drawn = try ComputeThread.shared.concurrently(6) { try planner.draw(recipes[$0])?.picture }
            // Two prompts and the empty one; six jobs read two each.
            let statistics = planner.encodings.statistics
            #expect(statistics.misses == 3 && statistics.hits == 9 && statistics.evictions == 0)
            #expect(statistics.bytes == 3 * 4 * 77 * model.text.width)
            for (recipe, picture) in zip(recipes, drawn) {
                #expect(try recipe.drawn(by: model, stack: nil)?.picture == picture)
            }
        }
    }

    @Test func `adapters of the text encoder have encodings of their own, those of the UNet share them`() throws {
        try inTemporaryFolder { folder throws in
            let planner = planner(folder)
            func draw(_ change: (inout BatchJob) -> Void = { _ in }) throws -> Int {
                _ = try planner.draw(planner.recipe(of: job("a cat", change)))
                return planner.encodings.statistics.misses
            }
            #expect(try draw() == 2)
            #expect(try draw { $0.sliders = [.init(name: Fixtures.path("adapters/slider-bf16.pt"))] } == 2)
            let text = Fixtures.path("adapters/text.safetensors")
            #expect(try draw { $0.sliders = [.init(name: text)] } == 4)
            #expect(try draw { $0.sliders = [.init(name: text, scale: 0.5)] } == 6)
            #expect(try draw { $0.clipSkip = 2 } == 8)
            #expect(try draw() == 8)
        }
    }

    @Test func `what a lock draws without its adapter reads its texts without it`() throws {
        try inTemporaryFolder { folder throws in
            let text = Fixtures.path("adapters/text.safetensors")
            try Data(
                """
                schema: 1
                entries: [{slider: \(text), scale: 3, region: {box: [0, 0, 0.5, 1], lock: true}}]
                """.utf8
            ).write(to: folder.appending(path: "a.stack.yaml"))
            let planner = planner(folder)
            let recipe = try planner.recipe(of: job("a cat") { $0.stack = "a.stack.yaml" })
            let drawn = try planner.draw(recipe)?.picture
            let plain = try recipe.drawn(by: model, stack: model.adapters(recipe.adapters ?? []))?.picture
            #expect(drawn == plain && planner.encodings.statistics.misses == 4)
        }
    }

    @Test func `the text that was used longest ago goes first`() throws {
        let cache = ContentCache<[UInt8]>(byteBudget: 10, size: \.count)
        func ask(_ key: String, _ bytes: Int = 4) -> Int {
            cache.value(key) { [UInt8](repeating: 0, count: bytes) }.count
        }
        #expect(ask("a") == 4 && ask("b") == 4 && ask("a") == 4)
        #expect(cache.statistics == .init(hits: 1, misses: 2, evictions: 0, bytes: 8))
        _ = ask("c")
        // b went, a and c are there.
        _ = (ask("a"), ask("c"))
        #expect(cache.statistics == .init(hits: 3, misses: 3, evictions: 1, bytes: 8))
        _ = ask("b")
        #expect(cache.statistics.misses == 4 && cache.statistics.bytes <= 10)
        // Larger than all that is allowed: given, not kept.
        #expect(ask("d", 11) == 11)
        #expect(cache.statistics.bytes == 0)
        // Who asks while it is made waits for it.
        let made = Counter()
        let shared = ContentCache<Int>(byteBudget: 100) { _ in 8 }
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            _ = shared.value("one") {
                made.add()
                Thread.sleep(forTimeInterval: 0.01)
                return 1
            }
        }
        #expect(made.count == 1 && shared.statistics.hits == 7)
    }

    @Test func `an inversion is found once for many styles, kept on the disk, and made again when it is broken`() throws
    {
        try inTemporaryFolder { folder throws in
            var random = TorchGenerator(seed: 3)
            try writeImage(
                (random.uniform([1, 3, 32, 32]) * 2 - 1).images()[0], to: folder.appending(path: "a.png").path)
            let style = Fixtures.path("adapters/slider-bf16.pt")
            func jobs() -> [BatchJob] {
                (0..<4).map { number in
                    var job = BatchJob()
                    (job.input, job.prompt, job.seed) = ("a.png", "a cat", UInt64(number))
                    job.styles = [StackFile.Style(style: style, strength: Double(number), phrase: "in ink style")]
                    return job
                }
            }
            func pictures(_ planner: PicturePlanner) throws -> [Image] {
                try jobs().map { try #require(try planner.draw(planner.recipe(of: $0))).picture }
            }
            let first = planner(folder)
            let drawn = try pictures(first)
            #expect(first.inversions.statistics == .init(made: 1) && Set(drawn.map(\.pixels)).count == 4)
            // Without any store: the same bits.
            for (job, picture) in zip(jobs(), drawn) {
                let recipe = try first.recipe(of: job)
                let stack = try model.adapters(recipe.adapters ?? [])
                #expect(try recipe.drawn(by: model, stack: stack)?.picture == picture)
            }
            let second = planner(folder)
            #expect(try pictures(second) == drawn)
            #expect(second.inversions.statistics == .init(read: 1))
            #expect(second.inversions.memoryStatistics.hits == 3)

            let kept = folder.appending(path: ".inversions")
            let name = try #require(FileManager.default.contentsOfDirectory(atPath: kept.path).first)
            let file = kept.appending(path: name)
            let bytes = try Data(contentsOf: file)
            var flipped = bytes
            flipped[flipped.count - 2] ^= 1
            for broken in [flipped, bytes.prefix(bytes.count / 2), Data()] {
                try broken.write(to: file)
                let again = planner(folder)
                #expect(try pictures(again) == drawn)
                #expect(again.inversions.statistics == .init(made: 1, broken: 1))
                #expect(try Data(contentsOf: file) == bytes)
            }
            // A store that cannot write finds the inversion all the same.
            try FileManager.default.removeItem(at: file)
            try FileManager.default.removeItem(at: kept)
            try Data().write(to: kept)
            let blocked = planner(folder)
            #expect(try pictures(blocked) == drawn)
            #expect(blocked.inversions.statistics == .init(made: 1, unwritten: 1))
        }
    }

    @Test func `what changes the inversion changes its key`() throws {
        try inTemporaryFolder { folder throws in
            var random = TorchGenerator(seed: 3)
            for name in ["a", "b"] {
                let picture = (random.uniform([1, 3, 32, 32]) * 2 - 1).images()[0]
                try writeImage(picture, to: folder.appending(path: name + ".png").path)
            }
            let planner = planner(folder)
            func draw(_ change: (inout BatchJob) -> Void) throws {
                var job = BatchJob()
                (job.input, job.prompt) = ("a.png", "a cat")
                change(&job)
                _ = try planner.draw(planner.recipe(of: job))
            }
            try draw { _ in }
            for change in [
                { $0.input = "b.png" }, { $0.prompt = "a dog" }, { $0.steps = 4 }, { $0.strength = 0.9 },
                { $0.refinements = 0 },
            ] as [(inout BatchJob) -> Void] { try draw(change) }
            #expect(planner.inversions.statistics.made == 6)
            // The plain model inverts, whatever the picture is then drawn with.
            for change in [
                { $0.seed = 9 }, { $0.cfgScale = 2 }, { $0.negativePrompt = "grey" },
                { $0.sliders = [.init(name: Fixtures.path("adapters/slider-bf16.pt"))] },
            ] as [(inout BatchJob) -> Void] { try draw(change) }
            #expect(planner.inversions.statistics.made == 6)
        }
    }
}
