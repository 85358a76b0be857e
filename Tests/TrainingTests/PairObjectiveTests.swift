import Adapters
import Foundation
import Generation
import Layers
import Samplers
import TensorCore
import TestSupport
import Testing
import Weights

@testable import Training

/// One training step of a pair beside PyTorch, what each term reaches, and the rows that keep the two apart.
@Suite struct PairObjectiveTests {
    static let families = ["tiny-sd", "tiny-sdxl"]

    /// A family's model and golden step, with both adapters' second factors as leaves.
    private struct Step {
        let model: StableDiffusion
        let golden: [String: Tensor]
        let objective: PairObjective
        let draw: PairDraw
        let adapters: [String: Adapter]
        let leaves: [String: [String: Tensor]]

        /// - Parameters:
        ///   - model: in the place of the family's own.
        ///   - expected: the file of losses and gradients; nil for the one that holds the step's inputs.
        init(_ family: String, model other: StableDiffusion? = nil, expected: String? = nil) throws {
            let model = try other ?? StableDiffusion(ModelFolder(path: Fixtures.path(family)))
            let golden = try Fixtures.tensors("pairs/\(family).safetensors")
            let facts = try Fixtures.metadata("pairs/\(family).safetensors")
            var adapters: [String: Adapter] = [:]
            var leaves: [String: [String: Tensor]] = [:]
            for part in ["content", "style"] {
                try inTemporaryFolder { folder in
                    let file = folder.appending(path: "\(part).safetensors")
                    try writeSafetensors(tensors(golden, under: "factors/\(part)/"), to: file.path)
                    let stored = try Adapter(path: file.path, modules: model.modules)
                    let values = stored.parameters.mapValues { $0.converted(to: .float32) + 0 }
                    let tracked = values.filter { $0.key.hasSuffix(AdapterRole.up.rawValue) }.mapValues { $0.tracked() }
                    leaves[part] = tracked
                    adapters[part] = stored.replacing(parameters: values.merging(tracked) { _, leaf in leaf })
                }
            }
            let prompt = facts["prompt"] ?? ""
            objective = try PairObjective(
                [
                    .init(
                        contentText: model.text(prompt), styleText: model.text("\(prompt) \(facts["phrase"] ?? "")"),
                        contentSize: nil, styleSize: nil)
                ], model: model)
            draw = PairDraw(
                pair: 0, timestep: Int(facts["timestep"] ?? "") ?? 0, noise: try Fixtures.require(golden, "noise"),
                content: try Fixtures.require(golden, "content"), style: try Fixtures.require(golden, "style"))
            self.golden = try expected.map { try Fixtures.tensors("pairs/\($0).safetensors") } ?? golden
            (self.model, self.adapters, self.leaves) = (model, adapters, leaves)
        }

        func adapter(_ part: String) throws -> Adapter { try #require(adapters[part]) }

        func losses(_ policy: CheckpointPolicy = .none) throws -> [String: Tensor] {
            var objective = objective
            objective.checkpointing = policy
            return [
                "content": try objective.contentLoss(draw, content: adapter("content")),
                "style": try objective.styleLoss(draw, content: adapter("content"), style: adapter("style")),
            ]
        }
    }

    /// Both losses and all gradients beside PyTorch's, to 1e-4.
    private func check(_ step: Step) throws {
        for (part, loss) in try step.losses() {
            #expect(relativeL2(loss, try Fixtures.require(step.golden, "loss/\(part)")) < 1e-4, "\(part)")
            let found = gradients(of: loss)
            let golden = tensors(step.golden, under: "gradient/\(part)/")
            let leaves = try #require(step.leaves[part])
            #expect(golden.count == leaves.count && golden.count >= 3)
            let different = gradientDifferences(golden: golden, limit: 1e-4) { key in
                leaves[key.replacing(".lora.up.weight", with: ".lora_up.weight")].flatMap { found[$0] }
            }
            #expect(different.isEmpty, "\(different)")
        }
    }

    @Test(arguments: families) func `both terms and their gradients are PyTorch's`(_ family: String) throws {
        try check(Step(family))
    }

    @Test func `both terms and their gradients are PyTorch's for a model that predicts the velocity`() throws {
        try inTemporaryFolder { place in
            let folder = place.appending(path: "velocity")
            try Fixtures.copy("tiny-sd", to: folder)
            // As Stable Diffusion 2's folder says it.
            let file = folder.appending(path: "scheduler/scheduler_config.json")
            let text = try String(contentsOf: file, encoding: .utf8)
            let changed = text.replacing(
                "\"prediction_type\": \"epsilon\"", with: "\"prediction_type\": \"v_prediction\"")
            try #require(changed != text)
            try Data(changed.utf8).write(to: file)
            let model = try StableDiffusion(ModelFolder(path: folder.path))
            #expect(model.scheduler.predictionType == .velocity)
            try check(Step("tiny-sd", model: model, expected: "tiny-sd-velocity"))
            // The same step for the noise has other losses and gradients.
            let noise = try Step("tiny-sd", expected: "tiny-sd-velocity")
            let loss = try #require(try noise.losses()["content"])
            #expect(relativeL2(loss, try Fixtures.require(noise.golden, "loss/content")) > 1e-2)
        }
    }

    @Test func `each term teaches its own adapter, and memory does not change gradients`() throws {
        let step = try Step("tiny-sd")
        let plain = try step.losses()
        let again = try step.losses(.blocks)
        for (part, other) in [("content", "style"), ("style", "content")] {
            let found = gradients(of: try #require(plain[part]))
            let replayed = gradients(of: try #require(again[part]))
            for leaf in step.leaves[other, default: [:]].values { #expect(found[leaf] == nil) }
            for leaf in step.leaves[part, default: [:]].values {
                #expect(isBitEqual(try #require(found[leaf]), try #require(replayed[leaf])))
            }
        }
    }

    @Test func `an untrained style leaves the content's prediction as it is`() throws {
        let step = try Step("tiny-sd")
        let zero = try step.adapter("style").replacing(
            parameters: step.leaves["style", default: [:]].mapValues { Tensor.zeros($0.shape) })
        let draw = PairDraw(
            pair: 0, timestep: step.draw.timestep, noise: step.draw.noise, content: step.draw.style,
            style: step.draw.style)
        let entry = step.objective.entries[0]
        let same = try PairObjective(
            [.init(contentText: entry.styleText, styleText: entry.styleText)], model: step.model)
        let content = try same.contentLoss(draw, content: step.adapter("content"))
        let both = try same.styleLoss(draw, content: step.adapter("content"), style: zero)
        #expect(relativeL2(both, content) < 1e-6)
    }

    @Test func `content and style read different things`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let modules = SliderTarget(.lierla, .full).modules(of: model.modules)
        let rows = DisjointRows(seed: 3, ranks: [3, 4])
        let content = try rows.adapter(0, name: "c", modules: modules, isXL: false)
        let style = try rows.adapter(1, name: "s", modules: modules, isXL: false)
        var byWidth: [Int: Tensor] = [:]
        for module in modules {
            let a = try #require((content.layers[module.path]?.delta as? LowRankDelta)?.down)
            let delta = try #require(style.layers[module.path]?.delta as? LowRankDelta)
            let b = delta.down
            #expect(a.shape == [3, module.inputs] && b.shape == [4, module.inputs] && delta.scale == 1)
            #expect(maximumDifference(matmul(b, a.transposed(0, 1)), Tensor.zeros([4, 3])) < 1e-6)
            let identity = Tensor((0..<16).map { $0 % 5 == 0 ? 1 : 0 } as [Float], shape: [4, 4])
            #expect(maximumDifference(matmul(b, b.transposed(0, 1)), identity) < 1e-6)
            #expect(l2Norm(delta.up) == 0)
            // Every layer of a width has the same rows.
            if let other = byWidth[module.inputs] { #expect(isBitEqual(a, other)) }
            byWidth[module.inputs] = a
        }
        #expect(byWidth.count > 1)
        let narrow = DisjointRows(seed: 3, ranks: [12, 12])
        let error = #expect(throws: TrainingError.self) {
            try narrow.adapter(0, name: "c", modules: modules, isXL: false)
        }
        #expect(error?.description.contains("12 + 12") == true)
    }
}
