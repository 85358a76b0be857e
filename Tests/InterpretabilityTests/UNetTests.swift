import DiffusionModels
import Imaging
import Interpretability
import Layers
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
        let sites = try model.scan([input]).entries.filter { ![.scores, .pattern].contains($0.port) }
        let result = try model.trace { t in
            let prompt = t.prompt(input)
            for site in sites {
                prompt["\(site.path):\(site.port.rawValue)"] = prompt["\(site.path):\(site.port.rawValue)"]
            }
            t.save("noise", prompt["unet.conv_out"])
        }
        #expect(maximumDifference(try result.value("noise"), try plain(model, input)) < 1e-5)
        #expect(throws: TraceError.self) {
            try model.trace { t in t.save("x", t.prompt(input)["unet.conv_inn"]) }
        }
        #expect(throws: TraceError.self) { try model.trace { t in t.save("x", t.prompt([1])["unet.conv_in"]) } }
    }

    @Test func wordMaps() throws {
        let model = try TinyModels.unet()
        let maps = try CrossAttentionMaps(model.sites, height: 8, width: 8)
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
        #expect(throws: TraceError.self) { try CrossAttentionMaps(SiteIndex(), height: 8, width: 8) }

        let picture = Image(width: 16, height: 16)
        let run = WordMaps.Run(maps: maps, picture: picture)
        let report = WordMaps([("first", 0..<1), ("second", 1..<3)], of: run, changed: run)
        #expect(report.words[1].map[7] == all[1][7] + all[2][7])
        #expect(report.words.map(\.change) == [0, 0])
        #expect(report.picture().width > 128)
        #expect(report.table.contains("second"))
    }
}
