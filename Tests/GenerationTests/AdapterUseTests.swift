@testable import Adapters
import Foundation
@testable import Generation
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// Adapters while pictures are drawn: what prompts name, what recipes keep, which model a file is for.
@Suite struct AdapterUseTests {
    private static let slider = Fixtures.path("adapters/slider-bf16.pt")

    private func model() throws -> StableDiffusion {
        try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
    }

    private func latents(
        _ model: StableDiffusion, _ adaptation: AdapterStack?, guidance: Double = 3
    ) throws -> Tensor {
        let request = GenerationRequest(
            prompt: "a cat", steps: 3, guidanceScale: guidance, seed: 4, width: 32, height: 32, sampler: "euler")
        var denoising = try Denoising(request, model: model, pass: Pass(adaptation: adaptation))
        while !denoising.isComplete { denoising.advance() }
        return denoising.latents
    }

    // MARK: Prompts

    @Test func `tags leave the prompt`() throws {
        let tags = try LoRATags("an old <lora:age:1.5> man <lora:smile><lora:x:-0.5:-0.5>, smiling")
        #expect(tags.prompt == "an old man , smiling")
        #expect(
            tags.tags == [
                .init(name: "age", weight: 1.5), .init(name: "smile", weight: 1), .init(name: "x", weight: -0.5),
            ])
        let plain = "a  prompt <lora with no end"
        #expect(try LoRATags(plain).prompt == plain)
        for bad in ["<lora:>", "<lora:a:b>", "<lora:a:1:2>", "<lora:a:nan>", "<lora:a:1:1:1>"] {
            #expect(throws: GenerationError.self, "\(bad)") { try LoRATags("x \(bad)") }
        }
    }

    @Test func `no adapter hides in the negative prompt`() throws {
        let model = try model()
        var request = GenerationRequest(prompt: "a cat", steps: 3, width: 32, height: 32)
        for (text, isRight) in [
            ("blurry", true), ("a <lora with no end", true), ("blurry <lora:age:1>", false), ("<lora:>", false),
        ] {
            request.negativePrompt = text
            guard !isRight else {
                try request.validate(for: model)
                continue
            }
            let error = #expect(throws: GenerationError.self) { try request.validate(for: model) }
            #expect(error?.description.hasPrefix("negative prompt: expected no adapter") == true)
        }
    }

    // MARK: Runs

    @Test func `strength 0 and schedules that never begin draw the base's picture`() throws {
        let model = try model()
        let base = try latents(model, nil)
        #expect(try isBitEqual(latents(model, model.adapters([AdapterUse(path: Self.slider, weight: 0)])), base))
        let adapter = try Adapter(path: Self.slider, modules: model.modules)
        func run(_ entry: StackEntry) throws -> Tensor {
            try latents(model, AdapterStack([entry], sites: model.sites))
        }
        #expect(try isBitEqual(run(StackEntry(adapter, schedule: .starting(atNoise: -1))), base))
        let always = try run(StackEntry(adapter))
        #expect(try isBitEqual(run(StackEntry(adapter, schedule: .starting(atNoise: 1000))), always))
        #expect(maximumDifference(always, base) > 1e-2)
        let late = try run(StackEntry(adapter, schedule: .starting(atNoise: 500)))
        #expect(maximumDifference(late, base) > 1e-3 && maximumDifference(late, always) > 1e-3)
        // The two rows of guidance know which they are.
        let both = RowWeights(otherwise: 0, roles: [.conditional: 1, .unconditional: 1])
        #expect(try isBitEqual(run(StackEntry(adapter, rows: both)), always))
        let one = try run(StackEntry(adapter, rows: .only([.conditional])))
        #expect(maximumDifference(one, always) > 1e-3 && maximumDifference(one, base) > 1e-3)
    }

    @Test func `an adapter of the text encoder changes what is read`() throws {
        let model = try model()
        let adapter = try Adapter(path: Fixtures.path("adapters/text.safetensors"), modules: model.modules)
        #expect(adapter.layers.keys.allSatisfy { $0.hasPrefix("text_encoder.text_model.encoder.layers.") })
        let stack = try AdapterStack([StackEntry(adapter)], sites: model.sites)
        #expect(try maximumDifference(latents(model, stack), latents(model, nil)) > 1e-4)
    }

    @Test func `merged for good draws what the pass draws`() throws {
        let store = try ModelFolder(path: Fixtures.path("tiny-sd"))
        let model = try model()
        let terms = try [(Self.slider, 0.7), (Fixtures.path("adapters/text.safetensors"), -0.4)].map {
            (adapter: try Adapter(path: $0.0, modules: model.modules), strength: $0.1)
        }
        let merged = try StableDiffusion(try MergedStore(store, terms))
        let stack = try AdapterStack(terms.map { StackEntry($0.adapter, weight: $0.strength) }, sites: model.sites)
        #expect(try largestError(latents(merged, nil), latents(model, stack)) <= 1e-4)
    }

    /// Of a 16-bit model whose weights are to be written in 32 bits, the sum is rounded nowhere.
    @Test func `merged into another number format, sums are rounded once`() throws {
        let base = Tensor((0..<144).map { 1 + Float($0) / 64 }, shape: [4, 4, 3, 3]).converted(to: .float16)
        let module = AdaptableModule(part: "unet", name: "conv_in", shape: base.shape)
        let change = Tensor.ones(base.shape) * 1e-4
        let adapter = Adapter(name: "a", layers: [LayerAdapter(module, FullDelta(change))])
        func merged(_ floatingPoint: DType?) throws -> Tensor {
            let source = try MergedSource(
                DictionarySource(["conv_in.weight": base]), part: "unet", [(adapter, 1)], floatingPoint: floatingPoint)
            return try #require(try source.tensor("conv_in.weight", shape: nil, initial: nil))
        }
        let exact = base.converted(to: .float32) + change
        let (wide, own) = (try merged(.float32), try merged(nil))
        #expect(wide.dtype == .float32 && isBitEqual(wide, exact))
        #expect(own.dtype == .float16 && maximumDifference(own.converted(to: .float32), exact) > 5e-5)
    }

    // MARK: Recipes

    @Test func `a recipe applies its adapters again`() throws {
        let model = try model()
        let use = try AdapterUse(path: Self.slider, weight: 1.25)
        var recipe = PictureRecipe(
            engine: "1", model: "tiny", modelHash: "abc", precision: .fp32,
            request: GenerationRequest(prompt: "a cat", steps: 2, seed: 4, width: 32, height: 32, sampler: "euler"))
        recipe.adapters = [use]
        var denoising = try recipe.denoising(with: model)
        while !denoising.isComplete { denoising.advance() }
        recipe.note(denoising)
        let read = try #require(try PictureRecipe(recipe.metadata(), path: "p.png"))
        #expect(read == recipe && use.file.hash.count == 64)
        var again = try read.denoising(with: model)
        while !again.isComplete { again.advance() }
        #expect(
            try read.verdict(on: denoising.picture(), against: again, model: model, changedInputs: []) == .identical)
        #expect(recipe.infotext.prompt == "a cat <lora:slider-bf16:1.25>")
        #expect(recipe.infotext["Lora hashes"] == "slider-bf16: \(use.file.hash.prefix(12))")
        recipe.adapters?[0].file.hash = "0"
        #expect(recipe.changedInputs(modelHash: "abc", engine: "1") == ["the adapter \(Self.slider) (another file)"])
    }

    // MARK: Which model

    @Test func `a file tells which architecture it is for`() throws {
        let candidates = try StandardArchitecture.allCases.map { try AdapterBase($0) }
        for base in candidates {
            let modules = SliderTarget(.lierla, .xattn).modules(of: base.modules)
            var random = TorchGenerator(seed: 1)
            let adapter = Adapter.untrained(
                name: "a", modules: modules, rank: 1, alpha: 1, isXL: base.name == "sdxl", random: &random)
            let source = DictionarySource(try adapter.tensors(in: .kohya))
            let file = try AdapterFile(path: "a", source: source, metadata: [:])
            #expect(try AdapterBase.of(file, among: candidates).name == base.name)
        }
        let stray = try AdapterFile(path: Self.slider)
        #expect(throws: AdapterError.self) { try AdapterBase.of(stray, among: candidates) }
    }
}
