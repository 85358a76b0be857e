import Adapters
import Foundation
@testable import Generation
import Layers
import TensorCore
import TestSupport
import Testing

/// Styles beside each other and beside sliders: blending moves without jumps, and nobody drowns anybody.
@Suite struct StyleBlendTests {
    private let model: StableDiffusion

    init() throws { model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))) }

    private func adapter(_ name: String) throws -> Adapter {
        try Adapter(path: Fixtures.path("adapters/\(name)"), modules: model.modules)
    }

    /// What is drawn with two styles of their strengths, and sliders of their weights in every row.
    private func latents(_ strengths: [Double], sliders: [Double] = []) throws -> Tensor {
        let styles = try ["slider-bf16.pt", "slider-f16.pt"].map(adapter)
        let others = try ["loha.safetensors", "locon.safetensors", "lokr.safetensors"].map(adapter)
        let stack = try AdapterStack(
            styles.enumerated().map { StackEntry($1, weight: 1, rows: .only([.style($0)])) }
                + zip(others, sliders).map { StackEntry($0, weight: $1) }, sites: model.sites)
        var request = GenerationRequest(
            prompt: "a cat", steps: 3, guidanceScale: 3, seed: 4, width: 32, height: 32, sampler: "euler")
        request.styles = strengths.enumerated().map { branch, strength in
            StyleGuidance(
                "s\(branch)", branch: branch, strength: strength, phrase: ["in ink style", "in neon style"][branch])
        }
        var denoising = try Denoising(request, model: model, pass: Pass(adaptation: stack))
        denoising.advanceToEnd()
        return denoising.latents
    }

    @Test func `blending goes from one style to the other without turning back or jumping`() throws {
        let shares = (0...8).map { Double($0) / 8 }
        let path = try shares.map { try latents([2 * (1 - $0), 2 * $0]) }
        func distance(_ a: Tensor, _ b: Tensor) -> Double { Double(norm(a - b)) }
        let (from, to) = (path.map { distance($0, path[0]) }, path.map { distance($0, path[8]) })
        #expect(zip(from, from.dropFirst()).allSatisfy { $0 < $1 }, "\(from)")
        #expect(zip(to, to.dropFirst()).allSatisfy { $0 > $1 }, "\(to)")
        let steps = zip(path, path.dropFirst()).map { distance($0, $1) }
        let mean = steps.reduce(0, +) / 8
        #expect(mean > 0.01 && (steps.max() ?? 0) < 1.6 * mean && (steps.min() ?? 0) > 0.6 * mean, "\(steps)")
        // Nearly straight: the way is hardly longer than the distance.
        #expect(steps.reduce(0, +) < 1.25 * distance(path[0], path[8]))
    }

    @Test func `a style and three sliders keep what each does alone`() throws {
        let weights = [0.1, 0.1, 0.1]
        func drawn(_ style: Double, _ sliders: [Double]) throws -> Tensor { try latents([style, 0], sliders: sliders) }
        let none = try drawn(0, [0, 0, 0])
        let all = try drawn(0.5, weights)
        func check(_ what: String, alone: Tensor, without: Tensor) {
            let (own, within) = (alone - none, all - without)
            let cosine = Double(sum(own * within).item) / Double(norm(own) * norm(within))
            let share = Double(norm(within) / norm(own))
            #expect(norm(own) > 1e-3 && cosine > 0.5 && share > 0.5 && share < 2, "\(what): \(cosine), \(share)")
        }
        check("style", alone: try drawn(0.5, [0, 0, 0]), without: try drawn(0, weights))
        for index in 0..<3 {
            var (alone, without) = ([0.0, 0, 0], weights)
            alone[index] = weights[index]
            without[index] = 0
            check("slider \(index)", alone: try drawn(0, alone), without: try drawn(0.5, without))
        }
    }

    private func norm(_ a: Tensor) -> Float { a.floats.reduce(0) { $0 + $1 * $1 }.squareRoot() }
}
