import Adapters
import DiffusionModels
import Foundation
import Layers
import TensorCore
import TestSupport
import Testing
import Tokenizers

@testable import Generation

/// Sliders that act where a word of the prompt is.
@Suite struct WordRegionTests {
    private static let slider = Fixtures.path("adapters/slider-bf16.pt")
    private let model: StableDiffusion

    init() throws { model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))) }

    private func denoising(
        _ region: StackRegion?, weight: Double = 1, prompt: String = "a cat on a mat", start: Double? = nil
    ) throws -> Denoising {
        var use = try AdapterUse(path: Self.slider, weight: weight)
        use.region = region
        use.schedule = start.map { StackSchedule(start: $0) }
        let request = GenerationRequest(
            prompt: prompt, steps: 4, guidanceScale: 3, seed: 4, width: 64, height: 64, sampler: "euler")
        return try Denoising(request, model: model, pass: Pass(adaptation: model.adapters([use])))
    }

    private func latents(_ region: StackRegion?, weight: Double = 1, start: Double? = nil) throws -> Tensor {
        var run = try denoising(region, weight: weight, start: start)
        run.advanceToEnd()
        return run.latents
    }

    @Test func `a word is found wherever it stands`() {
        let once = model.text.places(of: "cat", in: "a cat on a mat")
        #expect(once.count >= 1 && once[0] > 0)
        let weighted = model.text.places(of: "cat", in: "a (cat:1.3) on a mat")
        #expect(weighted == once)
        #expect(model.text.places(of: "cat", in: "a cat and a cat").count == 2 * once.count)
        // A new chunk begins a new window of the context.
        let window = model.text.encoders[0].tokenizer.modelMaxLength
        #expect(model.text.places(of: "cat", in: "a BREAK a cat on a mat") == once.map { $0 + window })
        #expect(model.text.places(of: "dog", in: "a cat on a mat").isEmpty)
        #expect(model.text.places(of: "", in: "a cat on a mat").isEmpty)
    }

    @Test func `a word that the prompt has not is refused`() {
        let error = #expect(throws: GenerationError.self) { try denoising(StackRegion(word: "dog")) }
        #expect(error?.description.contains("dog") == true && error?.description.contains("a cat on a mat") == true)
    }

    @Test func `a strength of 0 is the base to the bit`() throws {
        #expect(isBitEqual(try latents(StackRegion(word: "cat"), weight: 0), try latents(nil, weight: 0)))
    }

    @Test func `a word's slider changes the picture, less than one that acts everywhere`() throws {
        let base = try latents(nil, weight: 0)
        let everywhere = relativeL2(try latents(nil, start: 0.8), base)
        let there = relativeL2(try latents(StackRegion(word: "cat", threshold: 0.7), start: 0.8), base)
        #expect(there > 1e-4 && there < everywhere)
    }

    @Test func `almost no threshold is almost everywhere`() throws {
        // From its second evaluation on the run has a map; a slider that starts there acts alike.
        let everywhere = try latents(nil, start: 0.7)
        let effect = relativeL2(try latents(nil, weight: 0), everywhere)
        let rest = relativeL2(try latents(StackRegion(word: "cat", threshold: 1e-9), start: 0.7), everywhere)
        #expect(rest < 0.3 * effect)
    }

    @Test func `with a lock, what the word's slider never reached stays to the bit`() throws {
        let base = try latents(nil, weight: 0)
        let locked = try latents(StackRegion(word: "cat", threshold: 0.9, lock: true))
        let difference = (locked - base).floats
        #expect(difference.contains { $0 == 0 } && difference.contains { abs($0) > 1e-4 })
    }

    @Test func `copies of a run have places of their own`() throws {
        var first = try denoising(StackRegion(word: "cat"))
        first.advance()
        var second = first
        first.advanceToEnd()
        second.advanceToEnd()
        #expect(isBitEqual(first.latents, second.latents))
    }
}
