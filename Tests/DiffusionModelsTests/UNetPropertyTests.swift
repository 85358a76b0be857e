import DiffusionModels
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// What numbers from elsewhere cannot say of the UNet.
@Suite struct UNetPropertyTests {
    /// The rows of a frozen model do not see each other: a batch of two is two batches of one, bit for bit.
    @Test(arguments: ["tiny-unet-sd1", "tiny-unet-sd2"]) func rowsAreIndependent(_ name: String) throws {
        let unet = try TinyUNet(name)
        try expectIndependentRows(
            unet.model, unet.sites, sample: try unet.input("sample"), timesteps: try unet.input("timestep"),
            context: try unet.input("encoder_hidden_states"))
    }

    /// The same at widths and sizes like those of a real small model.
    @Test func rowsAreIndependentAtRealWidths() throws {
        let (unet, sites) = try unetOfRealWidths { $0.frozen() }
        try expectIndependentRows(
            unet, sites, sample: wave([3, 4, 16, 16], 0.37), timesteps: Tensor([999, 500.5, 1] as [Float]),
            context: wave([3, 77, 96], 0.11))
    }

    /// Where products round what they read, norms may do it for them, unless somebody looks: not a bit changes.
    @Test func roundingEarlyIsRounding() throws {
        let (unet, _) = try unetOfRealWidths { $0.converted(to: .bfloat16).frozen() }
        func noise(_ pass: Pass) -> Tensor {
            unet(
                wave([2, 4, 16, 16], 0.37), timesteps: Tensor([999, 1] as [Float]), context: wave([2, 77, 96], 0.11),
                pass)
        }
        #expect(isBitEqual(noise(Pass()), noise(Pass(plan: SitePlan()))))
        var configuration = AutoencoderKLConfiguration()
        configuration.blockOutChannels = [32, 64]
        configuration.downBlockTypes = ["DownEncoderBlock2D", "DownEncoderBlock2D"]
        configuration.upBlockTypes = ["UpDecoderBlock2D", "UpDecoderBlock2D"]
        configuration.layersPerBlock = 1
        let initial = InitializingSource(seed: 8)
        _ = try AutoencoderKL(configuration, weights: ScopedWeights(initial))
        let weights = initial.tensors.mapValues { $0.converted(to: .bfloat16).frozen() }
        let autoencoder = try AutoencoderKL(configuration, weights: ScopedWeights(DictionarySource(weights)))
        let latents = wave([1, 4, 12, 12], 0.41)
        #expect(isBitEqual(autoencoder.decode(latents, Pass()), autoencoder.decode(latents, Pass(plan: SitePlan()))))
    }

    /// A small UNet whose fresh weights `transform` has changed.
    private func unetOfRealWidths(
        _ transform: (Tensor) -> Tensor
    ) throws -> (UNet2DConditionModel, SiteIndex) {
        var configuration = UNet2DConditionConfiguration()
        configuration.blockOutChannels = [64, 128]
        configuration.downBlockTypes = ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]
        configuration.upBlockTypes = ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
        configuration.layersPerBlock = 1
        configuration.crossAttentionDim = 96
        configuration.attentionHeads = 4
        let initial = InitializingSource(seed: 7)
        _ = try UNet2DConditionModel(configuration, weights: ScopedWeights(initial))
        let weights = ScopedWeights(DictionarySource(initial.tensors.mapValues(transform)))
        return (try UNet2DConditionModel(configuration, weights: weights), weights.sites)
    }

    /// Runs each row alone and all together. A failure names the layers whose rows went in equal and came out
    /// different.
    private func expectIndependentRows(
        _ unet: UNet2DConditionModel, _ sites: SiteIndex, sample: Tensor, timesteps: Tensor, context: Tensor
    ) throws {
        func run(_ rows: Range<Int>, recorder: SiteRecorder?) -> Tensor {
            func take(_ x: Tensor) -> Tensor { x.narrowed(0, start: rows.lowerBound, count: rows.count) }
            return unet(
                take(sample), timesteps: take(timesteps), context: take(context),
                Pass(plan: recorder?.plan(ports: [.input, .output])))
        }
        let all = 0..<sample.size(0)
        let together = SiteRecorder(sites)
        _ = run(all, recorder: together)
        let both = run(all, recorder: nil)
        for row in all {
            let alone = SiteRecorder(sites)
            _ = run(row..<row + 1, recorder: alone)
            let one = run(row..<row + 1, recorder: nil)
            let part = both.narrowed(0, start: row, count: 1)
            func isEqual(_ path: String, _ port: Port) -> Bool? {
                guard let a = together[path, port], let b = alone[path, port] else { return nil }
                return isBitEqual(a.narrowed(0, start: row, count: 1), b)
            }
            let culprits = together.paths().filter { isEqual($0, .input) == true && isEqual($0, .output) == false }
            #expect(culprits == [], "row \(row)")
            #expect(isBitEqual(part, one), "row \(row)")
        }
    }

    /// Checkpointing changes memory, never gradients, and recorders do not hear replays.
    @Test(arguments: [CheckpointPolicy.feedForward, .blocks])
    func checkpointsChangeNothing(_ policy: CheckpointPolicy) throws {
        let unet = try TinyUNet("tiny-unet-sd1", isTrainable: true, golden: "golden_gradients")
        let input = try (
            unet.input("sample"), unet.input("timestep"), unet.input("encoder_hidden_states"), unet.input("target")
        )
        func run(_ checkpointing: CheckpointPolicy) -> (Tensor, Gradients, Int) {
            let counter = Counter()
            var plan = SitePlan()
            for site in 0..<unet.sites.count { plan.add(.observe { _ in counter.add() }, at: site) }
            let pass = Pass(plan: plan, checkpointing: checkpointing)
            let output = unet.model(input.0, timesteps: input.1, context: input.2, pass)
            let result = gradients(of: meanSquaredError(output, input.3))
            return (output, result, counter.count)
        }
        let (plain, expected, visits) = run(.none)
        let (checkpointed, computed, visitsWithReplays) = run(policy)
        #expect(isBitEqual(plain, checkpointed))
        #expect(visits > 200 && visits == visitsWithReplays)
        for (name, leaf) in unet.parameters {
            let (a, b) = try (#require(computed[leaf]), #require(expected[leaf]))
            #expect(isBitEqual(a, b), "\(name)")
        }
    }

    /// An intervention at one site changes what comes after it and nothing before, and holds in checkpoints, too.
    @Test(arguments: [CheckpointPolicy.none, .blocks]) func interventionsAct(_ policy: CheckpointPolicy) throws {
        let unet = try TinyUNet("tiny-unet-sd2", isTrainable: true, golden: "golden_gradients")
        let site = try #require(unet.sites["mid_block.attentions.0.transformer_blocks.0.attn2"])
        let recorder = SiteRecorder(unet.sites)
        var plan = recorder.plan { !$0.hasPrefix("mid_block") }
        plan.add(.replace { $0 * 0 }, at: site)
        let sample = try unet.input("sample")
        let output = unet.model(
            sample, timesteps: try unet.input("timestep"), context: try unet.input("encoder_hidden_states"),
            Pass(plan: plan, checkpointing: policy))
        let golden = try GoldenSites("tiny-unet-sd2/golden_forward.safetensors")
        let before = try #require(golden.values["down_blocks.1"])
        #expect(maximumDifference(try #require(recorder["down_blocks.1"]), before) <= 1e-4)
        let after = try #require(golden.values["up_blocks.0"])
        #expect(maximumDifference(try #require(recorder["up_blocks.0"]), after) > 1e-3)
        // With its output erased, the layer gets no gradient to speak of.
        let result = gradients(of: sum(output))
        let name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v.weight"
        let leaf = try #require(unet.parameters[name])
        #expect(l2Norm(try #require(result[leaf])) == 0)
    }

    /// Half-precision weights in several files give the same model but for their rounding.
    @Test func shardedHalfPrecision() throws {
        let unet = try TinyUNet("tiny-unet-sdxl")
        let files = try WeightFiles(
            in: Fixtures.path("tiny-unet-sharded"), baseName: "diffusion_pytorch_model")
        let (model, report) = try ScopedWeights.load(SafetensorsSource(SafetensorsSet(files)), root: "unet") {
            try UNet2DConditionModel(unet.configuration, weights: $0)
        }
        #expect(files.paths.count == 3)
        #expect(report.unused == [])
        let output = model(
            try unet.input("sample"), timesteps: try unet.input("timestep"),
            context: try unet.input("encoder_hidden_states"), added: unet.added, Pass())
        let expected = try Fixtures.require(unet.golden, "output")
        #expect(relativeL2(output, expected) < 5e-3)
        #expect(!isBitEqual(output, expected))
    }
}

/// Numbers that look random enough: sines of a growing phase.
private func wave(_ shape: [Int], _ step: Float) -> Tensor {
    let count = shape.reduce(1, *)
    return sin(Tensor.indices(count).converted(to: .float32) * Double(step)).reshaped(shape) * 1.5
}
