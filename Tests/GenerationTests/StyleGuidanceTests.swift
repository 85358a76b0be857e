import Adapters
import DiffusionModels
import Foundation
@testable import Generation
import Layers
import Samplers
import Synchronization
import TensorCore
import Imaging
import TestSupport
import Testing
import Weights

/// Style guidance and directions against their formulas, row by row, and what they leave alone.
@Suite struct StyleGuidanceTests {
    private static let style = Fixtures.path("adapters/slider-bf16.pt")
    private static let slider = Fixtures.path("adapters/slider-f16.pt")
    private let model: StableDiffusion

    init() throws { model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))) }

    private func request(_ guidance: Double = 3, steps: Int = 3) -> GenerationRequest {
        GenerationRequest(
            prompt: "a cat", negativePrompt: "blurry", steps: steps, guidanceScale: guidance, seed: 4, width: 32,
            height: 32, sampler: "euler")
    }

    /// A composition of styles, with a slider in every row.
    private func stack(styles: Int, slider: Double = 0.5, weight: Double = 1) throws -> AdapterStack {
        let adapter = try Adapter(path: Self.style, modules: model.modules)
        let other = try Adapter(path: Self.slider, modules: model.modules)
        let entries = (0..<styles).map { StackEntry(adapter, weight: weight, rows: .only([.style($0)])) }
        return try AdapterStack(entries + [StackEntry(other, weight: slider)], sites: model.sites)
    }

    private func latents(_ request: GenerationRequest, _ stack: AdapterStack?) throws -> Tensor {
        var denoising = try Denoising(request, model: model, pass: Pass(adaptation: stack))
        denoising.advanceToEnd()
        return denoising.latents
    }

    /// One prediction of the UNet for one row, in a pass of its own.
    private func predicted(_ x: Tensor, _ text: String, _ role: RowRole, _ stack: AdapterStack?) -> Tensor {
        let pass = Pass(adaptation: stack, rows: [role])
        return model.unet(
            x, timesteps: Tensor([Float(500)]), context: model.text(text, clipSkip: nil, pass).context, added: nil, pass
        )
    }

    private func guided(_ request: GenerationRequest, _ x: Tensor, _ stack: AdapterStack) -> Tensor {
        let pass = Pass(adaptation: stack)
        return GuidedRows(request, model, pass).predict(x, timestep: 500, model.unet, pass)
    }

    private func noise() -> Tensor {
        var random = TorchGenerator(seed: 9)
        return random.normal([1, 4, 8, 8])
    }

    @Test func `equation 10 holds for two styles, sliders in every row`() throws {
        let (stack, x) = (try stack(styles: 2), noise())
        var wanted = request(2.5)
        wanted.styles = [
            StyleGuidance("a", branch: 0, strength: 3, phrase: "in ink style"),
            StyleGuidance("b", branch: 1, strength: 1.5, phrase: "in neon style"),
        ]
        let base = (predicted(x, "blurry", .unconditional, stack), predicted(x, "a cat", .conditional, stack))
        let ink = predicted(x, "a cat in ink style", .style(0), stack)
        let neon = predicted(x, "a cat in neon style", .style(1), stack)
        let expected =
            base.0 + 2.5 * (base.1 - base.0) + 3 * (ink - base.1) + 1.5 * (neon - base.1)
        #expect(maximumDifference(guided(wanted, x, stack), expected) < 1e-5)
        // The slider acts in every row, the style in its own only.
        #expect(isBitEqual(base.1, predicted(x, "a cat", .conditional, try self.stack(styles: 0))))
        #expect(maximumDifference(base.1, predicted(x, "a cat", .conditional, nil)) > 1e-3)
        #expect(maximumDifference(ink, predicted(x, "a cat in ink style", .conditional, stack)) > 1e-3)
    }

    /// An adapter of the tensors of a golden file under a prefix.
    private func golden(_ file: String, under prefix: String) throws -> Adapter {
        let factors = tensors(try Fixtures.tensors(file), under: prefix)
        try #require(!factors.isEmpty)
        return try inTemporaryFolder { folder in
            let path = folder.appending(path: "factors.safetensors").path
            try writeSafetensors(factors, to: path)
            let stored = try Adapter(path: path, modules: model.modules)
            // Copies, for the file goes.
            return stored.replacing(parameters: stored.parameters.mapValues { $0.converted(to: .float32) + 0 })
        }
    }

    @Test(
        arguments: [
            ("one", 7.5, [3], 0), ("two", 7.5, [3, 1.5], 0), ("equal", 4, [4], 0), ("slider", 2.5, [3, 1.5], 0.5),
        ] as [(String, Double, [Double], Double)])
    func `the guided prediction is PyTorch's`(_ name: String, scale: Double, strengths: [Double], slider: Double) throws
    {
        let file = "pairs/style-guidance.safetensors"
        let expected = try Fixtures.require(Fixtures.tensors(file), name)
        let timestep = try #require(Float(Fixtures.metadata(file)["timestep"] ?? ""))
        let noise = try Fixtures.require(Fixtures.tensors("pairs/tiny-sd.safetensors"), "noise")
        let x = noise.narrowed(2, start: 0, count: 4).narrowed(3, start: 0, count: 6).contiguous()
        let styles = try ["style", "content"].map { try golden("pairs/tiny-sd.safetensors", under: "factors/\($0)/") }
        let entries = strengths.indices.map { StackEntry(styles[$0], weight: 1, rows: .only([.style($0)])) }
        let everywhere = StackEntry(try golden("sliders/tiny-sd.safetensors", under: "factors/"), weight: slider)
        let stack = try AdapterStack(entries + [everywhere], sites: model.sites)
        var wanted = request(scale)
        wanted.styles = strengths.enumerated().map { branch, strength in
            StyleGuidance(
                "s", branch: branch, strength: strength, phrase: ["in ink style", "in neon style"][branch])
        }
        let pass = Pass(adaptation: stack)
        let found = GuidedRows(wanted, model, pass).predict(x, timestep: timestep, model.unet, pass)
        #expect(found.shape == [1, 4, 4, 6] && maximumDifference(found, expected) < 1e-4, "\(name)")
        // Each part counts: without the last style the prediction is another one.
        wanted.styles?.removeLast()
        let less = GuidedRows(wanted, model, pass).predict(x, timestep: timestep, model.unet, pass)
        #expect(maximumDifference(less, expected) > 1e-2, "\(name)")
    }

    @Test func `styles are averaged or replaced as they say`() throws {
        let (stack, x) = (try stack(styles: 2), noise())
        func run(_ styles: [(branch: Int, strength: Double, combine: CombineRule?)]) -> Tensor {
            var wanted = request(2.5)
            wanted.styles = styles.map { style in
                var guidance = StyleGuidance(
                    "s", branch: style.branch, strength: style.strength,
                    phrase: style.branch == 0 ? "in ink style" : "in neon style")
                guidance.combine = style.combine
                return guidance
            }
            return guided(wanted, x, stack)
        }
        let sum = run([(0, 3, nil), (1, 1.5, nil)])
        #expect(isBitEqual(run([(0, 3, .sum), (1, 1.5, .sum)]), sum))
        let mean = run([(0, 3, .mean), (1, 1.5, .mean)])
        #expect(maximumDifference(mean, run([(0, 1.5, nil), (1, 0.75, nil)])) < 1e-5)
        #expect(maximumDifference(mean, sum) > 1e-3)
        #expect(maximumDifference(run([(0, 3, nil), (1, 1.5, .replace)]), run([(1, 1.5, nil)])) < 1e-5)
        // One that is off replaces nothing.
        #expect(isBitEqual(run([(0, 3, nil), (1, 0, .replace)]), run([(0, 3, nil)])))
    }

    @Test func `at the guidance's own strength the base cancels out of one style`() throws {
        let (stack, x) = (try stack(styles: 1), noise())
        var wanted = request(3)
        wanted.styles = [StyleGuidance("a", branch: 0, strength: 3, phrase: "in ink style")]
        let unconditional = predicted(x, "blurry", .unconditional, stack)
        let styled = predicted(x, "a cat in ink style", .style(0), stack)
        let expected = unconditional + 3 * (styled - unconditional)
        #expect(maximumDifference(guided(wanted, x, stack), expected) < 1e-5)
    }

    @Test func `two equal styles are one of their sum, in any order`() throws {
        let (stack, x) = (try stack(styles: 2), noise())
        func run(_ styles: [(Int, Double)]) -> Tensor {
            var wanted = request()
            wanted.styles = styles.map { StyleGuidance("s", branch: $0.0, strength: $0.1, phrase: "in ink style") }
            return guided(wanted, x, stack)
        }
        let one = run([(0, 3)])
        #expect(maximumDifference(run([(0, 1), (1, 2)]), one) < 1e-5)
        #expect(maximumDifference(run([(1, 2), (0, 1)]), run([(0, 1), (1, 2)])) < 1e-5)
    }

    @Test func `strength 0 is the plain picture to the bit, and costs no row`() throws {
        let plain = try latents(request(), try stack(styles: 0))
        var wanted = request()
        wanted.styles = [StyleGuidance("a", branch: 0, strength: 0, phrase: "in ink style")]
        wanted.directions = [ConceptDirection(from: "young", to: "old", scale: 0)]
        #expect(try isBitEqual(latents(wanted, stack(styles: 1)), plain))
        wanted.styles?[0].strength = 2
        #expect(try maximumDifference(latents(wanted, stack(styles: 1)), plain) > 1e-2)
        // An adapter at weight 0 leaves only what its phrase says.
        wanted.styles?[0].phrase = ""
        #expect(try maximumDifference(latents(wanted, stack(styles: 1, weight: 0)), plain) < 1e-4)
    }

    @Test(arguments: [1.0, 3.0]) func `n styles cost n rows, from their start on`(_ guidance: Double) throws {
        let batches = Mutex<[Int]>([])
        var plan = SitePlan()
        let site = try #require(model.sites["unet.conv_in"])
        plan.add(.observe { value in batches.withLock { $0.append(value.size(0)) } }, at: site)
        var wanted = request(guidance, steps: 4)
        wanted.styles = [
            StyleGuidance("a", branch: 0, strength: 1, start: 0.8),
            StyleGuidance("b", branch: 1, strength: 1, start: 0.4),
        ]
        wanted.directions = [ConceptDirection(from: "young", to: "old", scale: 1, start: 0.1)]
        let stack = try stack(styles: 2)
        var denoising = try Denoising(wanted, model: model, pass: Pass(adaptation: stack, plan: plan))
        let plain = guidance > 1 ? 2 : 1
        let expected = denoising.evaluationTimesteps.map { timestep in
            plain + (timestep <= 800 ? 1 : 0) + (timestep <= 400 ? 1 : 0) + (timestep <= 100 ? 2 : 0)
        }
        denoising.advanceToEnd()
        #expect(batches.withLock { $0 } == expected)
        #expect(Set(expected).count >= 3)
    }

    @Test func `before the start nothing but the base is drawn`() throws {
        var wanted = request()
        wanted.styles = [StyleGuidance("a", branch: 0, strength: 3, start: 0, phrase: "in ink style")]
        #expect(try isBitEqual(latents(wanted, stack(styles: 1)), latents(request(), stack(styles: 0))))
    }

    @Test func `a direction adds the difference of its prompts`() throws {
        let (stack, x) = (try stack(styles: 0), noise())
        var wanted = request(2)
        wanted.directions = [ConceptDirection(from: "a young man", to: "an old man", scale: 1.5)]
        let base = (predicted(x, "blurry", .unconditional, stack), predicted(x, "a cat", .conditional, stack))
        let step =
            predicted(x, "an old man", .conditional, stack) - predicted(x, "a young man", .conditional, stack)
        let expected = base.0 + 2 * (base.1 - base.0) + 1.5 * step
        #expect(maximumDifference(guided(wanted, x, stack), expected) < 1e-5)
    }

    @Test func `a stack's styles carry what their file and the stack say`() throws {
        try inTemporaryFolder { folder in
            var adapter = try Adapter(path: Self.style, modules: model.modules)
            var note = StyleNote(name: "ink", role: .style, base: "abc", phrase: "in ink style", method: "pair")
            note.start = 0.7
            try adapter.setNote(note)
            try adapter.write(to: folder.appending(path: "ink.safetensors").path, format: .diffusers)
            let path = folder.appending(path: "a.stack.yaml").path
            try Data(
                """
                schema: 1
                styles:
                  - {style: ink}
                  - {style: ink, strength: 1, start: 0.5, phrase: by an artist, adapter_scale: 0.5, combine: mean}
                directions:
                  - {positive: old, negative: young, scale: 2}
                """.utf8
            ).write(to: URL(filePath: path))
            var made = Composition(prompt: "a cat")
            try StackFile(path: path).add(
                to: &made, path: path, folders: StackFolders(own: []), model: ModelIdentity(hash: "abc"))
            var second = StyleGuidance("ink", branch: 1, strength: 1, start: 0.5, phrase: "by an artist")
            second.combine = .mean
            #expect(
                made.styles == [
                    StyleGuidance("ink", branch: 0, strength: 3, start: 0.7, phrase: "in ink style"), second,
                ])
            #expect(made.adapters.map(\.styleBranch) == [0, 1] && made.adapters.map(\.weight) == [1, 0.5])
            #expect(made.directions == [ConceptDirection(from: "young", to: "old", scale: 2)])

            // What a picture carries draws it again.
            var recipe = PictureRecipe(
                engine: "1", model: "tiny", modelHash: "abc", precision: .fp32, request: request())
            made.apply(to: &recipe.request)
            recipe.adapters = made.adapters
            var first = try recipe.denoising(with: model)
            first.advanceToEnd()
            recipe.note(first)
            let read = try #require(try PictureRecipe(recipe.metadata(), path: "p.png"))
            var again = try read.denoising(with: model)
            again.advanceToEnd()
            #expect(read == recipe && isBitEqual(again.latents, first.latents))
            #expect(recipe.infotext.prompt == "a cat" && recipe.infotext["Style guidance"] == "ink=3.0@0.7")

            note.role = .content
            try adapter.setNote(note)
            try adapter.write(to: folder.appending(path: "ink.safetensors").path, format: .diffusers)
            #expect(throws: GenerationError.self) {
                try made.add(StyleUse(path: folder.appending(path: "ink.safetensors").path))
            }
        }
    }

    @Test func `an axis moves a style's strength`() throws {
        let axes = [try SweepAxis("style:\(Self.style)=0,2"), try SweepAxis("start:\(Self.style)=0.5")]
        let cell = try SweepCell(axes, at: [1, 0], from: request(), resolve: { $0 }) { Composition(prompt: $0) }
        #expect(cell.request.styles?.map(\.strength) == [2] && cell.request.styles?.map(\.start) == [0.5])
        #expect(cell.adapters.map(\.styleBranch) == [0])
    }
}

/// Pictures as the model would have drawn them.
@Suite struct InversionTests {
    private func picture() -> Tensor {
        var random = TorchGenerator(seed: 3)
        return random.uniform([1, 3, 32, 32]) * 2 - 1
    }

    private func run(refinements: Int) throws -> (clean: Tensor, again: Tensor) {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let image = picture().images()[0]
        let request = GenerationRequest(
            prompt: "a cat", steps: 20, guidanceScale: 1, seed: 4, width: 32, height: 32, sampler: "ddim")
        let start = StartingPicture(image, strength: 0.5, inversion: Inversion(refinements: refinements))
        var denoising = try Denoising(request, model: model, startingFrom: start)
        let first = denoising.latents
        denoising.advanceToEnd()
        let clean = try model.likeliestLatents(Tensor(images: [image]), Pass())
        #expect(maximumDifference(first, clean) > 0.1)
        return (clean, denoising.latents)
    }

    @Test func `refined inversion comes nearer to where it came from`() throws {
        let rough = try run(refinements: 0)
        let fine = try run(refinements: 12)
        let (coarse, exact) = (relativeL2(rough.again, rough.clean), relativeL2(fine.again, fine.clean))
        #expect(exact < coarse / 2, "\(coarse) and \(exact)")
    }

    @Test(arguments: [PredictionType.epsilon, .velocity])
    func `steps backwards and forwards are one trajectory`(_ prediction: PredictionType) throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        var configuration = model.scheduler
        configuration.predictionType = prediction
        configuration.clipsSample = false
        var sampler = try Sampler(named: "ddim", configuration: configuration, steps: 20)
        var random = TorchGenerator(seed: 2)
        let clean = random.normal([1, 4, 8, 8])
        let weights = random.normal([1, 4, 8, 8]) * 0.2
        let predict = { (latents: Tensor, index: Int) in latents * weights + 0.01 * Double(index) }
        let first = 8
        var latents = Inversion(refinements: 40).latents(clean, sampler, from: first, predict: predict)
        #expect(maximumDifference(latents, clean) > 0.1)
        for index in first..<20 {
            latents = sampler.step(predict(latents, index), latents: latents, at: index, random: &random)
        }
        #expect(relativeL2(latents, clean) < 1e-4)
    }

    @Test func `a sampler that cannot go backwards is refused`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let start = StartingPicture(picture().images()[0], strength: 0.5, inversion: Inversion())
        let request = GenerationRequest(prompt: "x", steps: 4, width: 32, height: 32, sampler: "euler")
        let error = #expect(throws: GenerationError.self) {
            try Denoising(request, model: model, startingFrom: start)
        }
        #expect(error?.description.contains("ddim") == true)
    }
}
