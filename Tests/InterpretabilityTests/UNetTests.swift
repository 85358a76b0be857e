import DiffusionModels
import Imaging
import Interpretability
import Layers
import Samplers
import TensorCore
import TestSupport
import Testing
import Weights

@Suite struct UNetTests {
    private func plain(_ model: TracedUNet, _ input: PromptInput) throws -> Tensor {
        model.model(
            stacked([try #require(input.latents).tensor]), timesteps: Tensor([Float(500)]),
            context: stacked([try #require(input.context).tensor]), Pass()
        ).selected(0, 0).contiguous()
    }

    @Test func sameEngine() throws {
        let model = try TinyModels.unet()
        let (a, b) = (TinyModels.latents(1), TinyModels.latents(2))
        let result = try model.trace { t in
            let (one, two, free) = (t.prompt(a), t.prompt(b), t.prompt(a))
            one["unet.conv_in"] = two["unet.conv_in"]
            // The timesteps are equal, so with the other context in both cross-attentions A has become B.
            for block in ["down_blocks.0", "mid_block", "up_blocks.1"] {
                for layer in 0..<(block == "up_blocks.1" ? 2 : 1) {
                    let attention = "unet.\(block).attentions.\(layer).transformer_blocks.0.attn2"
                    for port in ["keys", "values"] { one["\(attention):\(port)"] = two["\(attention):\(port)"] }
                    t.save("\(block) \(layer)", free["\(attention):pattern", head: 0])
                }
            }
            t.save("free", free["unet.conv_out"])
            t.save("patched", one["unet.conv_out"])
            let site = free["unet.mid_block.resnets.0"]
            t.save("slope", t.gradient(of: free["unet.conv_out"].square().sum(), at: site))
        }
        #expect(result.passes == 1)
        #expect(maximumDifference(try result.value("free"), try plain(model, a)) < 1e-5)
        #expect(maximumDifference(try result.value("patched"), try plain(model, b)) < 1e-5)
        #expect(try result.value("down_blocks.0 0").shape == [64, 5])
        #expect(l2Norm(try result.value("slope")) > 0)
    }

    @Test func identityAndErrors() throws {
        let model = try TinyModels.unet()
        let input = TinyModels.latents(1)
        let sites = try model.scan([input]).entries
        let result = try model.trace { t in
            let prompt = t.prompt(input)
            for site in sites {
                prompt["\(site.path):\(site.port.rawValue)"] = prompt["\(site.path):\(site.port.rawValue)"]
            }
            t.save("noise", prompt["unet.conv_out"])
        }
        #expect(isBitEqual(try result.value("noise"), try plain(model, input)))
        #expect(throws: TraceError.self) {
            try model.trace { t in t.save("x", t.prompt(input)["unet.conv_inn"]) }
        }
        #expect(throws: TraceError.self) { try model.trace { t in t.save("x", t.prompt([1])["unet.conv_in"]) } }
    }

    /// SDXL's UNet: pooled text and sizes of each prompt count, and what they add to the time can be patched.
    @Test func addedConditioning() throws {
        let model = try TinyModels.unet(isXL: true)
        var (a, b) = (TinyModels.latentsXL(1), TinyModels.latentsXL(2))
        (b.latents, b.context) = (a.latents, a.context)
        func plain(_ input: PromptInput) throws -> Tensor {
            let sizes = Tensor(try #require(input.sizes).map(Float.init)).unsqueezed(0)
            let added = AddedConditioning(
                pooledText: stacked([try #require(input.pooledText).tensor]), timeIDs: sizes)
            return model.model(
                stacked([try #require(input.latents).tensor]), timesteps: Tensor([Float(500)]),
                context: stacked([try #require(input.context).tensor]), added: added, Pass()
            ).selected(0, 0).contiguous()
        }
        let result = try model.trace { t in
            let (one, two, free) = (t.prompt(a), t.prompt(b), t.prompt(a))
            one["unet.add_embedding.linear_2"] = two["unet.add_embedding.linear_2"]
            t.save("free", free["unet.conv_out"])
            t.save("other", two["unet.conv_out"])
            t.save("patched", one["unet.conv_out"])
        }
        #expect(maximumDifference(try result.value("free"), try plain(a)) < 1e-5)
        #expect(maximumDifference(try result.value("other"), try plain(b)) < 1e-5)
        #expect(maximumDifference(try result.value("patched"), try plain(b)) < 1e-5)
        #expect(maximumDifference(try plain(a), try plain(b)) > 1e-3)

        let sampler = try Sampler(named: "ddim", configuration: SchedulerConfiguration(), steps: 2)
        let denoiser = TracedDenoiser(
            model, sampler: sampler,
            guidance: .init(
                scale: 3, unconditional: Tensor.zeros([5, 6]), unconditionalPooledText: Tensor.zeros([3])))
        let latents = try denoiser.trace { t in t.save("x", t.prompt(a)["latents"]) }
        #expect(try latents.value("x").shape == [4, 8, 8])

        var lacking = a
        lacking.sizes = [64]
        #expect(throws: TraceError.self) { try model.trace { t in t.save("x", t.prompt(lacking)["unet.conv_in"]) } }
        #expect(throws: TraceError.self) {
            try model.trace { t in t.save("x", t.prompt(TinyModels.latents(1))["unet.conv_in"]) }
        }
        let ordinary = try TinyModels.unet()
        #expect(throws: TraceError.self) { try ordinary.trace { t in t.save("x", t.prompt(a)["unet.conv_in"]) } }
        let bare = TracedDenoiser(
            model, sampler: sampler, guidance: .init(scale: 3, unconditional: Tensor.zeros([5, 6])))
        #expect(throws: TraceError.self) { try bare.trace { t in t.save("x", t.prompt(a)["latents"]) } }
    }

    /// Steps of denoising: what is done in a step changes it and what follows; a latent put back changes nothing.
    ///
    /// - Parameter away: tokens of the text that guidance leads away from, as many as the prompts' or more; 0 without.
    @Test(arguments: [0, 5, 10]) func denoising(_ away: Int) throws {
        let unet = try TinyModels.unet()
        let (a, b) = (TinyModels.latents(1), TinyModels.latents(2))
        let sampler = try Sampler(named: "ddim", configuration: SchedulerConfiguration(), steps: 4)
        let guidance = TracedDenoiser.Guidance(scale: 3, unconditional: Tensor.zeros([max(away, 1), 6]))
        let model = TracedDenoiser(unet, sampler: sampler, guidance: away > 0 ? guidance : nil)
        let attention = "unet.mid_block.attentions.0.transformer_blocks.0.attn2:values"
        let graph = InterventionGraph.written { t in
            t.steps = 4
            let (plain, same, changed, other) = (t.prompt(a), t.prompt(a), t.prompt(a), t.prompt(b))
            same["latents:input", steps: .each] = plain["latents:input", steps: .each]
            changed[attention, steps: .range(2..<4)] *= 0
            for (name, prompt) in [("plain", plain), ("same", same), ("changed", changed), ("other", other)] {
                t.save(name, prompt["latents", steps: .each])
            }
        }
        let result = try model.run(graph)
        let values = try ["plain", "same", "changed", "other"].map { try #require(result.values[$0]) }
        #expect(values.allSatisfy { $0.count == 4 && $0[0].shape == [4, 8, 8] })
        for step in 0..<4 {
            #expect(isBitEqual(values[0][step], values[1][step]))
            #expect(isBitEqual(values[0][step], values[2][step]) == (step < 2))
            #expect(!isBitEqual(values[0][step], values[3][step]))
        }
        // The same run without the engine.
        var (loop, random) = (sampler, TorchGenerator(seed: 0))
        var latents = stacked([try #require(a.latents).tensor]) * Double(sampler.initialNoiseScale)
        for (index, evaluation) in loop.evaluations.enumerated() {
            let input = loop.modelInput(latents, at: index)
            func predict(_ context: Tensor) -> Tensor {
                unet.model(input, timesteps: Tensor([evaluation.timestep]), context: stacked([context]), Pass())
            }
            var prediction = predict(try #require(a.context).tensor)
            if away > 0 {
                let away = predict(guidance.unconditional)
                prediction = away + (prediction - away) * guidance.scale
            }
            latents = loop.step(prediction, latents: latents, at: index, random: &random)
        }
        #expect(maximumDifference(values[0][3], latents.selected(0, 0)) < 1e-4)
        #expect(throws: TraceError.self) { try model.trace { t in t.steps = 5 } }
    }

    @Test func wordMaps() throws {
        let model = try TinyModels.unet()
        let maps = try #require(CrossAttentionMaps(model.sites, height: 8, width: 8))
        let input = TinyModels.latents(3)
        for _ in 0..<2 {
            _ = model.model(
                stacked([try #require(input.latents).tensor]), timesteps: Tensor([Float(500)]),
                context: stacked([try #require(input.context).tensor]), Pass(plan: maps.plan()))
        }
        #expect(maps.visits == 2 * 4)
        let all = (0..<5).map { maps.map($0) }
        #expect(all.allSatisfy { $0.count == 64 })
        for pixel in 0..<64 { #expect(abs(all.reduce(0) { $0 + $1[pixel] } - 1) < 1e-4) }
        #expect(CrossAttentionMaps(SiteIndex(), height: 8, width: 8) == nil)

        let picture = Image(width: 16, height: 16)
        let run = WordMaps.Run(maps: maps, picture: picture)
        let report = WordMaps([("first", 0..<1), ("second", 1..<3)], of: run, changed: run)
        #expect(report.words[1].map[7] == all[1][7] + all[2][7])
        #expect(report.words.map(\.change) == [0, 0])
        #expect(report.picture().width > 128)
        #expect(report.table.contains("second"))
    }
}
