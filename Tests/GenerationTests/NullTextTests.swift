import Adapters
import DiffusionModels
import Foundation
import Imaging
import Layers
import Samplers
import TensorCore
import TestSupport
import Testing

@testable import Generation

/// Real pictures inverted: by the plain model whatever sliders there are, and exactly where guidance would spoil them.
@Suite struct NullTextTests {
    private static let slider = Fixtures.path("adapters/slider-bf16.pt")
    private let model: StableDiffusion
    private let image: Image

    init() throws {
        model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        var random = TorchGenerator(seed: 3)
        image = (random.uniform([1, 3, 32, 32]) * 2 - 1).images()[0]
    }

    private func request(guidance: Double = 1, steps: Int = 6) -> GenerationRequest {
        GenerationRequest(
            prompt: "a cat", steps: steps, guidanceScale: guidance, seed: 4, width: 32, height: 32, sampler: "ddim")
    }

    private func start(_ tuning: NullTextTuning? = nil, strength: Double = 0.5) -> StartingPicture {
        StartingPicture(image, strength: strength, inversion: Inversion(refinements: 2, tuning: tuning))
    }

    private func stack(_ weight: Double) throws -> AdapterStack? {
        try model.adapters([AdapterUse(path: Self.slider, weight: weight)])
    }

    private func drawn(_ picture: StartingPicture, _ request: GenerationRequest, slider: Double?) throws -> Tensor {
        var denoising = try Denoising(
            request, model: model, startingFrom: picture,
            pass: Pass(adaptation: try slider.map { try stack($0) } ?? nil))
        denoising.advanceToEnd()
        return denoising.latents
    }

    @Test func `a slider acts on an inverted picture, and at 0 leaves the reconstruction`() throws {
        let start = StartingPicture(image, strength: 0.2, inversion: Inversion(refinements: 12))
        let plain = try drawn(start, request(steps: 30), slider: nil)
        let clean = try model.likeliestLatents(Tensor(images: [image]), Pass())
        #expect(isBitEqual(try drawn(start, request(steps: 30), slider: 0), plain))
        // Were the noise found with the slider on, drawing with it would lead back to the picture.
        let error = relativeL2(plain, clean)
        let change = relativeL2(try drawn(start, request(steps: 30), slider: 1), plain)
        #expect(change > 4 * error && change > 0.02, "\(change), \(error)")
    }

    @Test func `the noise is the plain model's, without limits, whatever acts afterwards`() throws {
        var wanted = request()
        wanted.directions = [ConceptDirection(from: "young", to: "old")]
        wanted.styles = [StyleGuidance("a", branch: 0, strength: 3, phrase: "in ink style")]
        let plain = try Denoising(request(), model: model, startingFrom: start()).latents
        let other = try Denoising(wanted, model: model, startingFrom: start(), pass: Pass(adaptation: stack(2))).latents
        #expect(isBitEqual(plain, other))
        // The folder's own sampler limits x0, which no step backwards can undo.
        #expect(model.scheduler.unclipped.clipsSample == false)
        var clipped = model.scheduler
        clipped.clipsSample = true
        #expect(clipped.unclipped.clipsSample == false)
    }

    @Test func `tuning brings a guided drawing back to the picture`() throws {
        let wanted = request(guidance: 4)
        let clean = try model.likeliestLatents(Tensor(images: [image]), Pass())
        let loose = relativeL2(try drawn(start(), wanted, slider: nil), clean)
        let tuning = NullTextTuning(iterations: 40, learningRate: 0.05, tolerance: 0)
        let tuned = relativeL2(try drawn(start(tuning), wanted, slider: nil), clean)
        #expect(tuned < loose / 2, "\(tuned), \(loose)")
    }

    @Test func `a run is taken in steps, and what it finds is what a drawing finds itself`() throws {
        let wanted = request(guidance: 3)
        let picture = start(NullTextTuning(iterations: 2))
        var run = try InversionRun(of: picture, wanted, model: model)
        #expect(run.totalSteps == 6 && run.step == 0 && !run.isTuning)
        var steps = 0
        while !run.isComplete {
            #expect(run.step == steps && run.isTuning == (steps >= 3))
            run.advance()
            steps += 1
        }
        #expect(run.inverted.unconditionalContexts?.size(0) == 3)
        var given = try Denoising(wanted, model: model, startingFrom: picture, inverted: run.inverted)
        given.advanceToEnd()
        #expect(isBitEqual(given.latents, try drawn(picture, wanted, slider: nil)))
        // Of other sizes, or of another beginning, it is refused.
        let error = #expect(throws: GenerationError.self) {
            try Denoising(
                wanted, model: model, startingFrom: start(NullTextTuning(), strength: 1), inverted: run.inverted)
        }
        #expect(error?.description.contains("inverted picture") == true)
    }

    @Test(arguments: TestedBackend.devices) func `a device finds what the processor finds`(_ device: TestedBackend)
        throws
    {
        let wanted = request(guidance: 3, steps: 4)
        let picture = start(NullTextTuning(iterations: 3))
        let there = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")), device: device.backend)
        let (own, other) = try (
            InversionRun(of: picture, wanted, model: model).completed(),
            InversionRun(of: picture, wanted, model: there).completed()
        )
        #expect(relativeL2(other.latents, own.latents) < 1e-3)
        let contexts = try #require(own.unconditionalContexts)
        #expect(try relativeL2(#require(other.unconditionalContexts), contexts) < 1e-2)
    }

    @Test func `the mean of answers settles where single ones overshoot`() throws {
        let sampler = try Sampler(named: "ddim", configuration: model.scheduler.unclipped, steps: 10)
        let (own, change) = sampler.stepFactors(at: 5)
        let next = tensor([1, -2])
        // Each answer throws the latents to the other side of z = next / own / 1.95.
        func error(_ inversion: Inversion) -> Double {
            let found = inversion.latents(before: next, sampler, at: 5) { $0 * (0.95 * own / change) }
            return relativeL2(found, next / own / 1.95)
        }
        let single = error(Inversion(refinements: 5))
        #expect(error(Inversion(refinements: 5, averages: true)) < single / 4, "\(single)")
        #expect(error(Inversion(refinements: 0, averages: true)) == error(Inversion(refinements: 0)))
    }

    @Test func `a step that is near enough is not changed, and the best context is kept`() {
        let target = tensor([1, 2])
        var evaluations = 0
        let near = NullTextTuning(iterations: 5, tolerance: 1).fitted(tensor([1, 2.5]), share: 0, target: target) {
            evaluations += 1
            return $0 * 1
        }
        #expect(evaluations == 1 && near.context.floats == [1, 2.5] && near.next.floats == [1, 2.5])
        // A rate that overshoots: the start was the best that was met.
        let wild = NullTextTuning(iterations: 3, learningRate: 10, tolerance: 0)
        let kept = wild.fitted(tensor([1.01, 2]), share: 0, target: target) { $0 * 1 }
        #expect(kept.context.floats == [1.01, 2])
        let calm = NullTextTuning(iterations: 200, learningRate: 0.05, tolerance: 0)
        #expect(
            maximumDifference(calm.fitted(tensor([0, 0]), share: 0, target: target) { $0 * 1 }.next, target) < 0.01)
    }

    @Test func `what cannot be tuned is refused`() throws {
        for (change, words) in [
            ({ $0.guidanceScale = 1 }, "guidance scale"), ({ $0.guidanceRescale = 0.5 }, "rescale"),
            ({ $0.eta = 0.5 }, "eta"), ({ $0.sampler = "euler" }, "ddim"),
        ] as [((inout GenerationRequest) -> Void, String)] {
            var wanted = request(guidance: 3)
            change(&wanted)
            let error = #expect(throws: GenerationError.self) {
                try InversionRun(of: start(NullTextTuning()), wanted, model: model)
            }
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
        }
        let error = #expect(throws: GenerationError.self) {
            try InversionRun(of: start(NullTextTuning(iterations: 0)), request(guidance: 3), model: model)
        }
        #expect(error?.description.contains("iterations") == true)
    }
}

/// What was inverted once is not inverted again.
@Suite struct InversionStoreTests {
    private func recipe(_ picture: String) throws -> PictureRecipe {
        var recipe = PictureRecipe(
            engine: "1", model: "tiny", modelHash: "abc", precision: .fp32,
            request: GenerationRequest(
                prompt: "a cat", steps: 4, guidanceScale: 3, seed: 4, width: 32, height: 32, sampler: "ddim"))
        recipe.start = .init(
            picture: try .init(path: picture), mask: nil, strength: 0.5,
            inversion: Inversion(tuning: NullTextTuning(iterations: 1)))
        return recipe
    }

    @Test func `the same picture is found again, by what it shows and not by its name`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        try inTemporaryFolder { folder in
            let paths = ["a.png", "b.png"].map { folder.appending(path: $0).path }
            for path in paths { try writeImage(Image(width: 32, height: 32, filledWith: (90, 20, 200)), to: path) }
            let cache = folder.appending(path: "cache")
            func store() -> InversionStore { InversionStore(folder: cache) }
            var steps = 0
            let first = try #require(try recipe(paths[0]).inverted(by: model, store()) { _ in steps += 1 })
            #expect(steps == 5)
            let second = try #require(try recipe(paths[1]).inverted(by: model, store()) { _ in steps += 1 })
            #expect(steps == 5 && isBitEqual(first.latents, second.latents))
            #expect(first.firstEvaluation == second.firstEvaluation)
            let contexts = try #require(second.unconditionalContexts)
            #expect(first.unconditionalContexts.map { isBitEqual($0, contexts) } == true)
            // A file that was tampered with is as good as none.
            let key = try #require(try recipe(paths[0]).inversionKey())
            let file = folder.appending(path: "cache/\(key).safetensors")
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count - 3] ^= 1
            try bytes.write(to: file)
            let mended = store()
            let third = try recipe(paths[0]).inverted(by: model, mended)
            #expect(mended.statistics == .init(made: 1, broken: 1))
            #expect(third.map { isBitEqual($0.latents, first.latents) } == true)
            // A run that is stopped keeps nothing.
            struct Stopped: Error {}
            #expect(throws: Stopped.self) {
                try recipe(paths[0]).inverted(by: model, InversionStore(folder: folder)) { run in
                    if run.isTuning { throw Stopped() }
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 3)
        }
    }

    @Test func `the key is of what the inversion depends on`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "a.png").path
            try writeImage(Image(width: 8, height: 8), to: path)
            let start = try recipe(path)
            func key(_ change: (inout PictureRecipe) throws -> Void) throws -> String? {
                var copy = start
                try change(&copy)
                return try copy.inversionKey()
            }
            let own = try start.inversionKey()
            #expect(own != nil)
            let slider = try AdapterUse(path: path, weight: 2)
            for same in [
                { $0.adapters = [slider] }, { $0.request.seed = 9 }, { $0.model = "elsewhere" },
                { $0.request.vaeTiling = true },
            ] as [(inout PictureRecipe) -> Void] {
                #expect(try key(same) == own)
            }
            for other in [
                { $0.modelHash = "def" }, { $0.request.prompt = "a dog" }, { $0.request.steps = 5 },
                { $0.request.guidanceScale = 4 }, { $0.start?.strength = 0.75 }, { $0.start?.picture.hash = "x" },
                { $0.start?.inversion?.tuning?.iterations = 2 }, { $0.request.width = 64 },
            ] as [(inout PictureRecipe) -> Void] {
                #expect(try key(other) != own)
            }
            // Without tuning guidance does not matter.
            let plain = try key { $0.start?.inversion?.tuning = nil }
            let stronger = try key { recipe in
                recipe.start?.inversion?.tuning = nil
                recipe.request.guidanceScale = 9
            }
            #expect(stronger == plain)
            #expect(try key { $0.start?.inversion = nil } == nil)
        }
    }
}
