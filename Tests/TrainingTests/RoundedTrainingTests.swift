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

/// Trainings whose products are made of bfloat16, beside those in float32.
@Suite(.serialized) struct RoundedTrainingTests {
    /// The tiny training with channels in multiples of 32, so that most layers round.
    private static func yaml(_ precision: String?) -> String {
        BaseTrainingTests.yaml.replacing("block_out_channels: [24, 32]", with: "block_out_channels: [32, 64]")
            .replacing("hidden_size: 16", with: "hidden_size: 32")
            .replacing("intermediate_size: 32", with: "intermediate_size: 64")
            .replacing("block_out_channels: [8, 16]", with: "block_out_channels: [32, 64]")
            .replacing("cross_attention_dim: 16", with: "cross_attention_dim: 32")
            .replacing("  batch: 2\n", with: "  batch: 2\n" + (precision.map { "  precision: \($0)\n" } ?? ""))
    }

    private func train(_ folder: URL, yaml: String, limit: Int? = nil) throws -> URL? {
        let steps = Atomic<Int>(0)
        let recipe = try decodeRecipe(BaseRecipe.self, yaml: yaml)
        let context = TrainingContext(
            folder: folder,
            report: { event in if case .step = event { steps.wrappingAdd(1, ordering: .relaxed) } },
            shouldStop: { limit.map { steps.load(ordering: .relaxed) >= $0 } ?? false })
        let training = try BaseTraining(recipe: recipe, context: context)
        return try ComputeThread.shared.run { try training.run() }
    }

    @Test func `matrices and kernels of whole panels are rounded, and nothing else`() throws {
        let recipe = try decodeRecipe(BaseRecipe.self, yaml: Self.yaml("bf16"))
        let parameters = try DenoiserTrainer.parameters(recipe, warmStart: nil, textEncoder: [:]).tensors
        let operands = Precision.bf16.operands(of: parameters)
        #expect(Set(operands.keys) == Set(parameters.keys))
        let rounded = operands.filter { $0.value.dtype == .bfloat16 }.keys
        for path in [
            "unet.mid_block.resnets.0.conv1.weight", "unet.down_blocks.1.downsamplers.0.conv.weight",
            "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", "unet.time_embedding.linear_2.weight",
            "text_encoder.text_model.encoder.layers.0.mlp.fc1.weight",
        ] where parameters[path] != nil { #expect(rounded.contains(path), "\(path)") }
        #expect(rounded.count > 40)
        for path in [
            "unet.conv_in.weight", "unet.conv_out.weight", "unet.conv_norm_out.weight",
            "unet.mid_block.resnets.0.conv1.bias", "text_encoder.text_model.embeddings.token_embedding.weight",
            "text_encoder.text_model.embeddings.position_embedding.weight",
        ] {
            #expect(parameters[path] != nil && !rounded.contains(path), "\(path)")
        }
        for (path, tensor) in operands { #expect(tensor.shape == parameters[path]?.shape) }
        #expect(Precision.fp32.operands(of: parameters).values.allSatisfy { $0.dtype == .float32 })
        try Precision.fp32.validate("denoiser.precision", on: ShapeBackend.shared)
        try Precision.bf16.validate("denoiser.precision", on: CPUBackend.shared)
        #expect(throws: TrainingError.self) {
            try Precision.bf16.validate("denoiser.precision", on: ShapeBackend.shared)
        }
    }

    /// The gradient of every large parameter of a UNet and an autoencoder.
    @Test func `gradients are those of float32, but for rounding`() throws {
        let recipe = try decodeRecipe(BaseRecipe.self, yaml: Self.yaml("bf16"))
        let random = Mutex(TorchGenerator(seed: 5))
        func normal(_ shape: [Int]) -> Tensor { random.withLock { $0.normal(shape) } }
        let (noisy, context, target) = (normal([2, 4, 16, 16]), normal([2, 24, 32]), normal([2, 4, 16, 16]))
        let (picture, noise) = (normal([2, 3, 16, 16]), normal([2, 4, 8, 8]))
        let unet = try ParameterSet(initializing: 7) { _ = try UNet2DConditionModel(recipe.unet, weights: $0) }
        let vae = try ParameterSet(initializing: 8) { _ = try AutoencoderKL(recipe.vae, weights: $0) }
        func gradients(
            _ parameters: ParameterSet, _ precision: Precision, _ loss: @Sendable (ParameterSet) throws -> Tensor
        ) throws -> ShardedGradient {
            try ShardedGradient(of: precision.operands(of: parameters.tensors), batch: 1, shards: 1) {
                .init(total: try loss($1))
            }
        }
        let tasks: [(ParameterSet, @Sendable (ParameterSet) throws -> Tensor)] = [
            (
                unet,
                { parameters in
                    let model = try UNet2DConditionModel(recipe.unet, weights: parameters.weights)
                    let y = model(noisy, timesteps: Tensor([20, 700] as [Float]), context: context, Pass())
                    return mean(square(y - target))
                }
            ),
            (
                vae,
                { parameters in
                    let model = try AutoencoderKL(recipe.vae, weights: parameters.weights)
                    let latents = model.encode(picture, Pass()).sample(noise: noise)
                    return mean(square(model.decode(latents, Pass()) - picture))
                }
            ),
        ]
        for (parameters, loss) in tasks {
            let exact = try gradients(parameters, .fp32, loss)
            let rounded = try gradients(parameters, .bf16, loss)
            let (a, b) = (exact.values["loss"] ?? 0, rounded.values["loss"] ?? 1)
            #expect(abs(a - b) < 0.005 * a)
            #expect(a != b)
            for (path, gradient) in exact.gradients where gradient.count >= 1024 {
                let found = try #require(rounded.gradients[path])
                #expect(found.dtype == .float32 && found.shape == gradient.shape)
                let difference = relativeL2(found, gradient)
                #expect(difference < 0.02, "\(path): \(difference)")
            }
        }
    }

    @Test func `thirty steps end near those in float32`() throws {
        struct Line: Decodable {
            let error: Double
            let precision: String?
        }
        let lines = try ["fp32", "bf16"].map { precision in
            let yaml = Self.yaml(precision).replacing("pictures: 6\n  steps: 4", with: "pictures: 6\n  steps: 30")
                .replacing("learning_rate: 0.0005", with: "learning_rate: 0.002")
            return try inTemporaryFolder { folder -> [Line] in
                _ = try #require(try train(folder, yaml: yaml))
                return try String(contentsOf: folder.appending(path: "denoiser/log.jsonl"), encoding: .utf8)
                    .split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
            }
        }
        func end(_ lines: [Line]) -> Double { lines.suffix(10).reduce(0) { $0 + $1.error } / 10 }
        #expect(lines.map(\.count) == [30, 30])
        #expect(lines[0].allSatisfy { $0.precision == nil } && lines[1].allSatisfy { $0.precision == "bf16" })
        #expect(end(lines[0]) < 0.9 * lines[0][0].error)
        #expect(abs(end(lines[1]) - end(lines[0])) < 0.05 * end(lines[0]), "\(end(lines[1])), \(end(lines[0]))")
    }

    @Test func `a stopped training in bf16 ends in the same bytes, and goes on in bf16 only`() throws {
        try inTemporaryFolder { folder in
            let (whole, stopped) = (folder.appending(path: "whole"), folder.appending(path: "stopped"))
            let model = try #require(try train(whole, yaml: Self.yaml("bf16")))
            // In the denoiser's stage: 4 and 3 steps and a batch of latents come before it.
            #expect(try train(stopped, yaml: Self.yaml("bf16"), limit: 10) == nil)
            let other = Self.yaml("bf16").replacing("prompt_dropout", with: "precision: fp32\n  prompt_dropout")
                .replacing("  precision: bf16\n  optimizer", with: "  optimizer")
            #expect(throws: TrainingError.self) { try train(stopped, yaml: other) }
            let resumed = try #require(try train(stopped, yaml: Self.yaml("bf16")))
            for file in [
                "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
                "text_encoder/model.safetensors",
            ] {
                let bytes = try [model, resumed].map { try Data(contentsOf: $0.appending(path: file)) }
                #expect(bytes[0] == bytes[1], "\(file)")
            }
        }
    }
}
