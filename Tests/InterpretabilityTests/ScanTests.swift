import Interpretability
import Layers
import TensorCore
import TestSupport
import Testing

/// Shapes without computing, and what is refused because of them.
@Suite struct ScanTests {
    /// A scan reads no weight: it goes through a model all of whose weights have no bytes.
    @Test(arguments: TinyModels.families) func noWeightIsRead(_ family: String) throws {
        let model = try TinyModels.text(family)
        let bare = model.model.replacing(
            parameters: model.model.parameters.map { ShapeBackend.shared.tensor($0.shape, dtype: $0.dtype) })
        let traced = try TracedTextModel(bare, TinyModels.configuration(family), sites: model.sites)
        let (found, wanted) = (try traced.scan([]).entries, try model.scan([]).entries)
        #expect(found.map(\.name) == wanted.map(\.name) && found.map(\.sizes) == wanted.map(\.sizes))
        let graph = InterventionGraph.written { t in
            let prompt = t.prompt([1, 2, 3])
            for entry in found { t.save(entry.name, prompt["\(entry.path):\(entry.port.rawValue)"]) }
        }
        let (program, result) = (try traced.program(graph), try model.run(graph))
        for entry in found { #expect(program.shape(entry.name) == result[entry.name]?.shape, "\(entry.name)") }
    }

    @Test func unetShapesAreReal() throws {
        let model = try TinyModels.unet()
        let input = TinyModels.latents(1)
        let graph = InterventionGraph.written { t in
            let prompt = t.prompt(input)
            for entry in try! model.scan([input]).entries {
                t.save(entry.name, prompt["\(entry.path):\(entry.port.rawValue)"])
            }
        }
        let (program, result) = (try model.program(graph), try model.run(graph))
        #expect(graph.saves.count > 100)
        for name in graph.saves.keys { #expect(program.shape(name) == result[name]?.shape, "\(name)") }
    }

    /// Attention of a huge picture: its shape is known in no time, and neither the whole nor a part of it is made.
    @Test func hugePatterns() throws {
        let model = try TinyModels.unet()
        var input = TinyModels.latents(1)
        input.latents = TensorLiteral(Tensor.zeros([4, 320, 320]))
        let site = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1:pattern"
        let entry = try #require(try model.scan([input]).entries.first { $0.name == site })
        #expect(entry.sizes == [.fixed(2), .fixed(102_400), .fixed(102_400)])
        func error(_ build: (TraceBuilder, TracedPrompt) -> Void) -> TraceError? {
            do {
                _ = try model.run(.written { t in build(t, t.prompt(input)) })
                return nil
            } catch { return error as? TraceError }
        }
        let whole = error { t, p in t.save("x", p[site]) }
        #expect(whole?.kind == .limit && whole?.found.contains("102400") == true)
        let part = error { t, p in t.save("x", p[site, token: 0, head: 0]) }
        #expect(part?.kind == .limit && part?.expected.contains("side by side") == true, "\(String(describing: part))")
    }

    @Test func manyPromptsAndValues() throws {
        let model = try TinyModels.text("llama")
        var limits = TraceLimits()
        limits.siteBytes = 4 * 4 * 5 * 5 * 2
        func error(_ prompts: Int, _ site: String) -> TraceError? {
            let graph = InterventionGraph.written { t in
                for index in 0..<prompts { t.save("\(index)", t.prompt([1, 2, 3, 4, 5])[site, token: 0]) }
            }
            do {
                _ = try model.program(graph, limits: limits)
                return nil
            } catch { return error as? TraceError }
        }
        #expect(error(2, "layers.0.attn.pattern") == nil)
        #expect(error(3, "layers.0.attn.pattern")?.kind == .limit)
        limits.siteBytes = 4 << 30
        limits.heldBytes = 3 * 16 * 4
        #expect(error(3, "embed") == nil)
        #expect(error(4, "embed")?.advice?.contains("several graphs") == true)
    }
}
