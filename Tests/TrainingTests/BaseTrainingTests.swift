import Foundation
import Recipes
import Synchronization
import TensorCore
import TestSupport
import Testing
import Training
import Weights

/// A training of a few steps on a very small model: it learns, resumes exactly, and exports what can be loaded.
@Suite(.serialized) struct BaseTrainingTests {
    static let yaml = """
        name: tiny
        seed: 3
        data: {seed: 1, count: 6, size: 32}
        tokenizer: {merges: 40, length: 24}
        vae:
          block_out_channels: [24, 32]
          down_block_types: [DownEncoderBlock2D, DownEncoderBlock2D]
          up_block_types: [UpDecoderBlock2D, UpDecoderBlock2D]
          layers_per_block: 1
          latent_channels: 4
          norm_num_groups: 4
          sample_size: 32
        text_encoder:
          hidden_size: 16
          intermediate_size: 32
          num_hidden_layers: 1
          num_attention_heads: 2
        unet:
          sample_size: 16
          in_channels: 4
          out_channels: 4
          block_out_channels: [8, 16]
          down_block_types: [DownBlock2D, CrossAttnDownBlock2D]
          up_block_types: [CrossAttnUpBlock2D, UpBlock2D]
          layers_per_block: 1
          attention_head_dim: 2
          cross_attention_dim: 16
          norm_num_groups: 4
        scheduler:
          _class_name: DDIMScheduler
          beta_start: 0.00085
          beta_end: 0.012
          beta_schedule: scaled_linear
          prediction_type: v_prediction
          clip_sample: false
        autoencoder:
          steps: 4
          batch: 2
          crop: 16
          optimizer: {learning_rate: 0.0005, warmup_steps: 1, weight_decay: 0.01, beta2: 0.99, clip_norm: 1.0, ema_decay: 0.9}
          squared_weight: 1
          edge_weight: 0.5
          coarse_weight: 0.25
          kl_weight: 0.0001
          initial_log_variance: -7
          samples_every: 100
          checkpoint_every: 2
        reading:
          steps: 3
          batch: 2
          optimizer: {learning_rate: 0.0005, warmup_steps: 1, weight_decay: 0.01, beta2: 0.99, clip_norm: 1.0, ema_decay: 0.9}
          checkpoint_every: 2
        denoiser:
          pictures: 6
          steps: 4
          batch: 2
          optimizer: {learning_rate: 0.0005, warmup_steps: 1, weight_decay: 0.01, beta2: 0.99, clip_norm: 1.0, ema_decay: 0.9}
          min_snr_gamma: 5
          prompt_dropout: 0.5
          text_encoder_rate: 0.1
          samples_every: 100
          checkpoint_every: 2
        """

    /// Trains into a folder, stopping after `limit` steps when it is given.
    private func train(
        _ folder: URL, yaml: String = Self.yaml, limit: Int? = nil, on device: any Backend = CPUBackend.shared
    ) throws -> URL? {
        let counter = Counter()
        let recipe = try decodeRecipe(BaseRecipe.self, yaml: yaml)
        let context = TrainingContext(
            folder: folder,
            report: { event in if case .step = event { counter.increment() } },
            shouldStop: { limit.map { counter.value >= $0 } ?? false }, device: device)
        let training = try BaseTraining(recipe: recipe, context: context)
        return try ComputeThread.shared.run { try training.run() }
    }

    private final class Counter: Sendable {
        private let count = Atomic<Int>(0)
        func increment() { count.wrappingAdd(1, ordering: .relaxed) }
        var value: Int { count.load(ordering: .relaxed) }
    }

    @Test func `a stopped training ends in the same bytes as one that ran through`() throws {
        try inTemporaryFolder { folder in
            let (whole, stopped) = (folder.appending(path: "whole"), folder.appending(path: "stopped"))
            // In one piece, for other tests change the number of threads.
            let (model, resumed) = try ComputeThread.shared.run {
                let model = try train(whole)
                #expect(try train(stopped, limit: 3) == nil)
                #expect(try train(stopped, limit: 2) == nil)
                #expect(try train(stopped, limit: 2) == nil)
                return (try #require(model), try #require(try train(stopped)))
            }
            for file in [
                "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
                "text_encoder/model.safetensors", "tokenizer/merges.txt", "vae/config.json",
            ] {
                let (a, b) = (
                    try Data(contentsOf: model.appending(path: file)),
                    try Data(contentsOf: resumed.appending(path: file))
                )
                #expect(a == b, "\(file)")
            }
            let log = try String(contentsOf: stopped.appending(path: "denoiser/log.jsonl"), encoding: .utf8)
            #expect(log.split(separator: "\n").count == 4)
        }
    }

    /// Every stage on a GPU, stopped on the way: the same losses, and a model of the host.
    @Test(arguments: TestedBackend.devices) func `a training on a device follows the CPU's`(_ tested: TestedBackend)
        throws
    {
        try inTemporaryFolder { folder in
            let (here, there) = (folder.appending(path: "here"), folder.appending(path: "there"))
            _ = try #require(try train(here))
            #expect(try train(there, limit: 9, on: tested.backend) == nil)
            let model = try #require(try train(there, on: tested.backend))
            #expect(
                try SafetensorsFile(path: model.appending(path: "unet/diffusion_pytorch_model.safetensors").path).names
                    .count > 50)
            struct Line: Decodable { let loss: Double }
            for stage in ["autoencoder", "reading", "denoiser"] {
                let losses = try [here, there].map { folder in
                    try String(contentsOf: folder.appending(path: "\(stage)/log.jsonl"), encoding: .utf8)
                        .split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)).loss }
                }
                #expect(losses[0].count == losses[1].count)
                for (a, b) in zip(losses[0], losses[1]) { #expect(abs(a - b) < 1e-4 * max(1, abs(a)), "\(stage)") }
            }
        }
    }

    @Test func `shards give the same bytes on one thread and on two`() throws {
        let yaml = Self.yaml.replacing("  batch: 2\n", with: "  batch: 2\n  shards: 2\n")
            .replacing(
                "batch: 2\n  shards: 2\n  optimizer: {learning_rate: 0.0005, warmup_steps: 1, weight_decay: 0.01, beta2: 0.99, clip_norm: 1.0, ema_decay: 0.9}\n  checkpoint_every: 2\ndenoiser",
                with:
                    "batch: 2\n  optimizer: {learning_rate: 0.0005, warmup_steps: 1, weight_decay: 0.01, beta2: 0.99, clip_norm: 1.0, ema_decay: 0.9}\n  checkpoint_every: 2\ndenoiser"
            )
        let threads = ComputeThread.shared.threadCount
        defer { ComputeThread.shared.threadCount = threads }
        let models = try [1, 2].map { count in
            ComputeThread.shared.threadCount = count
            return try inTemporaryFolder { folder -> [Data] in
                let model = try #require(try train(folder, yaml: yaml))
                return try ["unet", "vae"].map {
                    try Data(contentsOf: model.appending(path: "\($0)/diffusion_pytorch_model.safetensors"))
                }
            }
        }
        #expect(models[0] == models[1])
    }

    @Test func `a warm start keeps the parts that it holds`() throws {
        try inTemporaryFolder { folder in
            let (first, second) = (folder.appending(path: "first"), folder.appending(path: "second"))
            let model = try #require(try train(first))
            let yaml = Self.yaml.replacing("steps: 4\n  batch: 2\n  crop", with: "steps: 0\n  batch: 2\n  crop")
                .replacing("steps: 4\n  batch: 2\n  optimizer", with: "steps: 1\n  batch: 2\n  optimizer")
                .replacing("data: {seed: 1, count: 6", with: "data: {seed: 5, count: 6")
            let recipe = try decodeRecipe(BaseRecipe.self, yaml: yaml)
            let context = TrainingContext(folder: second, report: { _ in })
            let start = try WarmStart(path: model.path)
            let training = try BaseTraining(recipe: recipe, context: context, warmStart: start)
            let continued = try #require(try ComputeThread.shared.run { try training.run() })

            let vae = "vae/diffusion_pytorch_model.safetensors"
            let stored = try SafetensorsFile(path: model.appending(path: vae).path).tensors()
            let kept = try SafetensorsFile(path: continued.appending(path: vae).path).tensors()
            for (key, tensor) in stored { #expect(kept[key]?.floats == tensor.floats, "\(key)") }
            // The learning rate of a first step is 0, and its average is the parameters themselves.
            let unet = "unet/diffusion_pytorch_model.safetensors"
            let before = try SafetensorsFile(path: model.appending(path: unet).path).tensors()
            let after = try SafetensorsFile(path: continued.appending(path: unet).path).tensors()
            for (key, tensor) in before { #expect(after[key]?.floats == tensor.floats, "\(key)") }
            #expect(!FileManager.default.fileExists(atPath: second.appending(path: "reading").path))
            // Other pictures have another variance, but the UNet knows its latents by their scale.
            let configurations = try [model, continued].map {
                try Data(contentsOf: $0.appending(path: "vae/config.json"))
            }
            #expect(configurations[0] == configurations[1])
        }
    }

    @Test func `crops may be drawn in the world's styles`() throws {
        func losses(_ share: String) throws -> [Double] {
            let yaml = Self.yaml.replacing("kl_weight: 0.0001", with: "kl_weight: 0.0001" + share)
            var trainer = try AutoencoderTrainer(recipe: decodeRecipe(BaseRecipe.self, yaml: yaml))
            return try ComputeThread.shared.run { try (0..<2).map { _ in try trainer.trainStep()["absolute"] ?? 0 } }
        }
        let (plain, styled, again) = try (losses(""), losses("\n  styled_share: 1"), losses("\n  styled_share: 1"))
        #expect(plain != styled && styled == again)
        let unknown = try decodeRecipe(
            BaseRecipe.self, yaml: Self.yaml.replacing("kl_weight: 0.0001", with: "kl_weight: 0\n  styled_share: 2"))
        try inTemporaryFolder { folder in
            let context = TrainingContext(folder: folder, report: { _ in })
            #expect(throws: TrainingError.self) { try BaseTraining(recipe: unknown, context: context) }
        }
    }

    @Test func `a decoder learns alone, and the latents stay`() throws {
        try inTemporaryFolder { folder in
            let (first, second) = (folder.appending(path: "first"), folder.appending(path: "second"))
            let model = try #require(try train(first))
            let yaml = Self.yaml.replacing("kl_weight: 0.0001", with: "kl_weight: 0\n  decoder_noise: 0.4")
                .replacing("steps: 4\n  batch: 2\n  optimizer", with: "steps: 0\n  batch: 2\n  optimizer")
            let recipe = try decodeRecipe(BaseRecipe.self, yaml: yaml)
            let training = try BaseTraining(
                recipe: recipe, context: TrainingContext(folder: second, report: { _ in }),
                warmStart: try WarmStart(path: model.path))
            let continued = try #require(try ComputeThread.shared.run { try training.run() })
            for part in ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"] {
                let before = try SafetensorsFile(path: model.appending(path: part + ".safetensors").path).tensors()
                let after = try SafetensorsFile(path: continued.appending(path: part + ".safetensors").path).tensors()
                var changed = 0
                for (key, tensor) in before where after[key]?.floats != tensor.floats {
                    let isDecoder = key.hasPrefix("decoder.") || key.hasPrefix("post_quant_conv.")
                    #expect(part.hasPrefix("vae/") && isDecoder, "\(part) \(key)")
                    changed += 1
                }
                #expect((changed > 10) == part.hasPrefix("vae/"))
            }
            let configurations = try [model, continued].map {
                try Data(contentsOf: $0.appending(path: "vae/config.json"))
            }
            #expect(configurations[0] == configurations[1])
            // Without the noise both halves would learn, and the UNet would not know the latents.
            let unsafe = try decodeRecipe(
                BaseRecipe.self, yaml: yaml.replacing("decoder_noise: 0.4", with: "decoder_noise: 3"))
            #expect(throws: TrainingError.self) {
                try BaseTraining(
                    recipe: unsafe, context: TrainingContext(folder: second, report: { _ in }),
                    warmStart: try WarmStart(path: model.path))
            }
        }
    }

    @Test func `an anchor holds the latents of plain pictures while both halves learn styles`() throws {
        try inTemporaryFolder { folder in
            let (first, second) = (folder.appending(path: "first"), folder.appending(path: "second"))
            let model = try #require(try train(first))
            /// The mean distance from the warm start's latents that a training of 24 steps reports at its end.
            func distance(anchor: Double, styled: Double) throws -> Double {
                let keys = "kl_weight: 0\n  decoder_noise: 0.2\n  latent_anchor: \(anchor)\n  styled_share: \(styled)"
                let recipe = try decodeRecipe(
                    BaseRecipe.self,
                    yaml: Self.yaml.replacing("kl_weight: 0.0001", with: keys)
                        .replacing("steps: 4\n  batch: 2\n  crop", with: "steps: 24\n  batch: 2\n  crop"))
                var trainer = try AutoencoderTrainer(recipe: recipe, warmStart: try WarmStart(path: model.path))
                return try ComputeThread.shared.run {
                    let steps = try (0..<24).map { _ in try trainer.trainStep()["anchor"] ?? -1 }
                    #expect(steps[0] < 1e-9 * anchor)
                    return (steps.last ?? -1) / anchor
                }
            }
            let (loose, held) = try (distance(anchor: 0.001, styled: 0), distance(anchor: 100, styled: 0))
            #expect(held < loose / 2 && loose > 0)
            #expect(try distance(anchor: 1, styled: 1) == 0)

            let recipe = try decodeRecipe(
                BaseRecipe.self,
                yaml: Self.yaml.replacing("kl_weight: 0.0001", with: "kl_weight: 0\n  latent_anchor: 1")
                    .replacing("steps: 4\n  batch: 2\n  optimizer", with: "steps: 0\n  batch: 2\n  optimizer"))
            let context = TrainingContext(folder: second, report: { _ in })
            let error = #expect(throws: TrainingError.self) { try BaseTraining(recipe: recipe, context: context) }
            #expect(
                error?.description.contains("denoiser.steps") == true || error?.description.contains("anchor") == true)
            let training = try BaseTraining(
                recipe: recipe, context: context, warmStart: try WarmStart(path: model.path))
            let continued = try #require(try ComputeThread.shared.run { try training.run() })
            let weights = try [model, continued].map {
                try SafetensorsFile(path: $0.appending(path: "vae/diffusion_pytorch_model.safetensors").path).tensors()
            }
            for half in ["encoder.conv_in.weight", "decoder.conv_in.weight"] {
                #expect(weights[0][half]?.floats != weights[1][half]?.floats)
            }
        }
    }

    @Test func `a warm start of another shape is refused by the parameter's name`() throws {
        try inTemporaryFolder { folder in
            let (first, second) = (folder.appending(path: "first"), folder.appending(path: "second"))
            let model = try #require(try train(first))
            let recipe = try decodeRecipe(
                BaseRecipe.self,
                yaml: Self.yaml.replacing("block_out_channels: [24, 32]", with: "block_out_channels: [24, 40]"))
            let training = try BaseTraining(
                recipe: recipe, context: TrainingContext(folder: second, report: { _ in }),
                warmStart: try WarmStart(path: model.path))
            let error = #expect(throws: TrainingError.self) { try ComputeThread.shared.run { try training.run() } }
            #expect(error?.description.contains("vae: ") == true)
        }
    }

    @Test func `a folder of others in the model's place is refused before any compute`() throws {
        try inTemporaryFolder { folder in
            let model = folder.appending(path: "model")
            try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
            try Data("mine".utf8).write(to: model.appending(path: "notes.txt"))
            let error = #expect(throws: (any Error).self) { try train(folder, limit: 2) }
            #expect(error.map { "\($0)".contains("expected a new or empty folder") } == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["model"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: model.path) == ["notes.txt"])
        }
    }

    @Test func `another recipe does not continue a checkpoint`() throws {
        try inTemporaryFolder { folder in
            #expect(try train(folder, limit: 2) == nil)
            var recipe = try decodeRecipe(BaseRecipe.self, yaml: Self.yaml)
            recipe.seed += 1
            let training = try BaseTraining(recipe: recipe, context: TrainingContext(folder: folder, report: { _ in }))
            let error = #expect(throws: TrainingError.self) { try training.run() }
            #expect(error?.description.contains("checkpoint.safetensors") == true)
        }
    }

    @Test(arguments: [
        ("steps: 4\n  batch: 2\n  crop", "steps: 0\n  batch: 2\n  crop", "autoencoder.steps"),
        ("crop: 16", "crop: 15", "autoencoder.crop"), ("prompt_dropout: 0.5", "prompt_dropout: 2", "prompt_dropout"),
        ("size: 32", "size: 31", "data.size"),
        ("cross_attention_dim: 16", "cross_attention_dim: 24", "unet.cross_attention_dim"),
        ("num_attention_heads: 2", "num_attention_heads: 3", "text_encoder.num_attention_heads"),
        ("layers_per_block: 1", "layers_per_block: 9999999999", "vae.layers_per_block"),
        ("_class_name: DDIMScheduler", "_class_name: FooScheduler", "scheduler"),
        ("min_snr_gamma: 5", "min_snr_gamma: -4", "min_snr_gamma"), ("beta2: 0.99", "beta2: 5", "beta2"),
        ("warmup_steps: 1", "warmup_steps: -9", "warmup_steps"),
        ("samples_every: 100", "samples_every: 0", "samples_every"),
    ])
    func `a recipe that cannot work is refused by its key`(_ old: String, _ new: String, _ key: String) throws {
        let text = Self.yaml.replacing(old, with: new)
        #expect(text != Self.yaml)
        let recipe = try decodeRecipe(BaseRecipe.self, yaml: text)
        let context = TrainingContext(folder: URL(filePath: "/nowhere"), report: { _ in })
        let error = #expect(throws: TrainingError.self) { try BaseTraining(recipe: recipe, context: context) }
        #expect(error?.description.contains(key) == true)
    }

    @Test func `an empty or unknown recipe key is refused by name`() {
        for (old, new) in [("merges: 40", "merges:"), ("min_snr_gamma: 5", "min_snr_gama: 5")] {
            let text = Self.yaml.replacing("{merges: 40, length: 24}", with: "\n  merges: 40\n  length: 24")
                .replacing(old, with: new)
            let error = #expect(throws: RecipeError.self) { try decodeRecipe(BaseRecipe.self, yaml: text) }
            #expect("\(error as Any)".contains(String(new.split(separator: ":")[0])))
        }
    }

    @Test func `the shipped recipe decodes`() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../Assets/recipes/mini.yaml")
        let recipe = try decodeRecipe(BaseRecipe.self, at: path.standardized.path)
        #expect(recipe.name == "mini")
    }

    @Test func `every other shipped recipe decodes`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Assets/recipes")
            .standardized
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".yaml") {
            let path = folder.appending(path: name).path
            switch name.split(separator: "-")[0] {
            case "probe": _ = try decodeRecipe(ProbeRecipe.self, at: path)
            case "slider": try decodeRecipe(SliderRecipe.self, at: path).validate()
            case "style": try decodeRecipe(PairRecipe.self, at: path).validate()
            default: _ = try decodeRecipe(BaseRecipe.self, at: path)
            }
        }
    }
}
