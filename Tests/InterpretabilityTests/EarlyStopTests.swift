import Interpretability
import Layers
import Samplers
import Synchronization
import TensorCore
import TestSupport
import Testing
import Weights

/// A pass ends with the last value that is read.
@Suite struct EarlyStopTests {
    static let a = [5, 9, 20, 31, 8], b = [7, 2, 20, 11, 30]

    /// Notes the layers that run, by site, and leaves them as they are.
    final class CallLog: Adaptation {
        private let calls = Mutex<[Int]>([])
        var sites: [Int] { calls.withLock { $0 } }
        func forget() { calls.withLock { $0 = [] } }
        let parameters: [Tensor] = []

        func adapted(_ layer: BaseLayer, input: Tensor, at site: Int, _ pass: Pass) -> Tensor {
            calls.withLock { $0.append(site) }
            return layer(input)
        }

        func replacing(parameters: [Tensor]) -> any Adaptation { self }
    }

    @Test(arguments: TinyModels.families) func languageModels(_ family: String) throws {
        let log = CallLog()
        let model = try TinyModels.text(family, pass: Pass(adaptation: log))
        func count(_ part: String) -> Int { log.sites.count { model.sites.paths[$0].contains(part) } }
        let layer = try #require(model.aliases.target("layers.1.resid_post")).path
        let (next, head) = (layer.replacing("1", with: "2"), model.headPaths)
        let whole = try model.trace { t in
            let prompt = t.prompt(Self.a)
            t.save("x", prompt["layers.1.resid_post"])
            t.save("logits", prompt["logits"])
        }
        #expect(count(next) > 0 && log.sites.contains { head.contains(model.sites.paths[$0]) })
        log.forget()
        let short = try model.trace { t in t.save("x", t.prompt(Self.a)["layers.1.resid_post"]) }
        #expect(count(layer) > 0)
        #expect(count(next) == 0)
        #expect(!log.sites.contains { head.contains(model.sites.paths[$0]) })
        #expect(isBitEqual(try short.value("x"), try whole.value("x")))
        // What is set behind the last read costs nothing either; the patched passes are as before.
        log.forget()
        let patched = try model.trace { t in
            let (a, b) = (t.prompt(Self.a), t.prompt(Self.b))
            a["layers.0.resid_pre"] = b["layers.1.resid_post"]
            t.save("x", a["layers.1.resid_post"])
            a["layers.2.resid_post"] *= 0
            t.save("slope", t.gradient(of: a["layers.0.resid_post"].sum(), at: b["layers.0.resid_pre"]))
        }
        #expect(patched.passes == 2 && count(next) == 0)
        #expect(l2Norm(try patched.value("slope")) > 0)
    }

    /// Steps that continue a prompt need every layer; the last one does not.
    @Test func generation() throws {
        let log = CallLog()
        let model = try TinyModels.text("llama", pass: Pass(adaptation: log))
        log.forget()
        let result = try model.trace { t in
            t.steps = 3
            t.save("x", t.prompt(Self.a)["layers.0.resid_post", steps: .each])
        }
        let plain = try model.trace { t in
            t.steps = 3
            let prompt = t.prompt(Self.a)
            t.save("x", prompt["layers.0.resid_post", steps: .each])
            t.save("y", prompt["logits", token: -1, steps: .each])
        }
        #expect(result.tokens == plain.tokens && result.tokens[0].count == 2)
        for step in 0..<3 { #expect(isBitEqual(result.values["x"]?[step], plain.values["x"]?[step])) }
        let head = try #require(model.sites["lm_head"])
        #expect(log.sites.count { $0 == head } == 2 + 3)
    }

    @Test func unet() throws {
        let log = CallLog()
        let plain = try TinyModels.unet()
        let model = TracedUNet(plain.model, sites: plain.sites, pass: Pass(adaptation: log))
        let input = TinyModels.latents(1)
        let paths = model.sites.paths
        for (site, isAfter) in [
            (
                "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2:pattern",
                ["resnets.1", "down_blocks.1", "mid_", "up_"]
            ),
            ("unet.mid_block.attentions.0", ["mid_block.resnets.1", "up_blocks", "conv_out"]),
            ("unet.up_blocks.0.resnets.1", ["up_blocks.0.upsamplers", "up_blocks.1", "conv_out"]),
        ] {
            let whole = try model.trace { t in
                let prompt = t.prompt(input)
                t.save("x", prompt[site])
                t.save("noise", prompt["unet.conv_out"])
            }
            log.forget()
            let short = try model.trace { t in t.save("x", t.prompt(input)[site]) }
            #expect(isBitEqual(try short.value("x"), try whole.value("x")))
            for part in isAfter {
                // Once in the scan of shapes, and not again in the run.
                let layers = paths.indices.filter { paths[$0].contains(part) }
                let calls = layers.map { layer in log.sites.count { $0 == layer } }
                #expect(calls.allSatisfy { $0 <= 1 } && calls.contains(1), "\(site): \(part)")
            }
        }
    }

    /// A denoising run whose last step is cut short.
    @Test func denoiser() throws {
        let sampler = try Sampler(named: "ddim", configuration: SchedulerConfiguration(), steps: 3)
        for guidance in [nil, TracedDenoiser.Guidance(scale: 3, unconditional: Tensor.zeros([5, 6]))] {
            let model = TracedDenoiser(try TinyModels.unet(), sampler: sampler, guidance: guidance)
            for site in ["latents:input", "unet.conv_in", "unet.mid_block.resnets.1", "unet.conv_out", "latents"] {
                let graph = { (isWhole: Bool) in
                    InterventionGraph.written { t in
                        t.steps = 3
                        let prompt = t.prompt(TinyModels.latents(1))
                        t.save("x", prompt[site, steps: .each])
                        if isWhole { t.save("end", prompt["latents", steps: .each]) }
                    }
                }
                let (short, whole) = (try model.run(graph(false)), try model.run(graph(true)))
                for step in 0..<3 { #expect(isBitEqual(short.values["x"]?[step], whole.values["x"]?[step]), "\(site)") }
            }
        }
    }
}

private func isBitEqual(_ a: Tensor?, _ b: Tensor?) -> Bool {
    guard let a, let b else { return false }
    return TestSupport.isBitEqual(a, b)
}
