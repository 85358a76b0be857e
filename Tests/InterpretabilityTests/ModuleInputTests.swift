import Interpretability
import Layers
import TensorCore
import TestSupport
import Testing

/// What modules are called with can be read and written, as what they give can.
@Suite struct ModuleInputTests {
    static let a = [5, 9, 20, 31, 8], b = [7, 2, 20, 11, 30]

    /// The feed-forward part as a whole has one input, whichever of its matrices read it.
    @Test(arguments: ["gpt2", "gpt-neox", "llama", "gemma2", "gemma3"]) func feedForward(_ family: String) throws {
        let model = try TinyModels.text(family)
        let last = family.hasPrefix("gemma") ? "model.layers.1.mlp" : "layers.1.mlp.out"
        let norm = "layers.1.ln2"
        let result = try model.trace { t in
            let (a, b, free) = (t.prompt(Self.a), t.prompt(Self.b), t.prompt(Self.a))
            a["layers.1.mlp.in"] = b["layers.1.mlp.in"]
            t.save("patched", a[last])
            t.save("wanted", b[last])
            let places = [free["layers.1.mlp.in"], free[norm]]
            let loss = free["layers.1.mlp.out"].sum()
            for (index, place) in places.enumerated() {
                t.save("value \(index)", place)
                t.save("slope \(index)", t.gradient(of: loss, at: place))
            }
        }
        #expect(isBitEqual(try result.value("patched"), try result.value("wanted")))
        #expect(isBitEqual(try result.value("value 0"), try result.value("value 1")))
        let slopes = (try result.value("slope 0"), try result.value("slope 1"))
        #expect(maximumDifference(slopes.0, slopes.1) <= 1e-6 * max(1, slopes.1.floats.map { abs($0) }.max() ?? 0))
    }

    /// Every module that has an output has an input; but tables, which are read by numbers, and the model as a whole.
    @Test(arguments: TinyModels.families) func everyModule(_ family: String) throws {
        let model = try TinyModels.text(family)
        let entries = try model.scan([]).entries
        let inputs = Set(entries.filter { $0.port == .input }.map(\.path))
        let lacking = entries.filter { $0.port == .output && !inputs.contains($0.path) }.map(\.path)
        let known = [
            "transformer", "transformer.wte", "transformer.wpe", "gpt_neox", "gpt_neox.embed_in", "model",
            "model.embed_tokens", "backbone", "backbone.embeddings",
        ]
        #expect(lacking.filter { !known.contains($0) } == [])
        let pairs: [(String, String)] =
            switch family {
            case "mamba":
                [
                    ("mixer.in", "ln1"), ("backbone.layers.1.mixer.conv1d:input", "mixer.a"),
                    ("backbone.layers.1.mixer.act:input", "mixer.conv"), ("backbone.layers.1.norm:input", "resid_pre"),
                ]
            case "llama":
                [
                    ("attn.in", "ln1"), ("mlp.in", "ln2"), ("model.layers.1.mlp.act_fn:input", "mlp.pre"),
                    ("model.layers.1.post_attention_layernorm:input", "resid_mid"),
                    ("model.layers.1.input_layernorm:input", "resid_pre"),
                ]
            case "gpt2": [("attn.in", "ln1"), ("mlp.in", "ln2"), ("transformer.h.1.mlp.act:input", "mlp.pre")]
            default: [("attn.in", "ln1"), ("mlp.in", "ln2")]
            }
        let result = try model.trace { t in
            let prompt = t.prompt(Self.a)
            func value(_ name: String) -> TracedValue {
                prompt[name.contains(":") ? name : "layers.1.\(name)"]
            }
            for (x, y) in pairs {
                t.save(x, value(x))
                t.save(y, value(y))
            }
        }
        for (x, y) in pairs { #expect(isBitEqual(try result.value(x), try result.value(y)), "\(x), \(y)") }
    }

    /// The stream between attention and feed-forward part carries all that comes after.
    @Test(arguments: ["gpt2", "llama", "gemma2", "gemma3"]) func middle(_ family: String) throws {
        let model = try TinyModels.text(family)
        let result = try model.trace { t in
            let (a, b) = (t.prompt(Self.a), t.prompt(Self.b))
            t.save("sum", b["layers.1.resid_pre"] + b["layers.1.attn.out"])
            t.save("middle", b["layers.1.resid_mid"])
            a["layers.1.resid_mid"] = b["layers.1.resid_mid"]
            t.save("patched", a["layers.1.resid_post"])
            t.save("wanted", b["layers.1.resid_post"])
        }
        #expect(isBitEqual(try result.value("middle"), try result.value("sum")))
        #expect(isBitEqual(try result.value("patched"), try result.value("wanted")))
        // Where both parts read the same stream there is none between them.
        #expect(throws: TraceError.self) {
            try TinyModels.text("gpt-neox").trace { t in t.save("x", t.prompt(Self.a)["layers.1.resid_mid"]) }
        }
    }

    @Test func unet() throws {
        let model = try TinyModels.unet()
        let input = TinyModels.latents(1)
        let entries = try model.scan([input]).entries
        let inputs = Set(entries.filter { $0.port == .input }.map(\.path))
        let lacking = entries.filter { $0.port == .output && !inputs.contains($0.path) }.map(\.path)
        #expect(lacking == ["unet.time_proj"])
        let block = "unet.mid_block.attentions.0.transformer_blocks.0"
        let pairs = [
            ("\(block).attn1:input", "\(block).norm1"), ("\(block).attn2:input", "\(block).norm2"),
            ("\(block).ff:input", "\(block).norm3"), ("unet.down_blocks.0.resnets.0:input", "unet.conv_in"),
            ("unet.mid_block.resnets.1:input", "unet.mid_block.attentions.0"),
        ]
        let graph = InterventionGraph.written { t in
            let (plain, same) = (t.prompt(input), t.prompt(input))
            for (x, y) in pairs {
                t.save(x, plain[x])
                t.save(y, plain[y])
            }
            for entry in entries where entry.port == .input && !entry.isShared {
                same["\(entry.path):input"] = same["\(entry.path):input"]
            }
            t.save("plain", plain["unet.conv_out"])
            t.save("same", same["unet.conv_out"])
        }
        let result = try model.run(graph)
        for (x, y) in pairs { #expect(isBitEqual(try result.value(x), try result.value(y)), "\(x), \(y)") }
        #expect(isBitEqual(try result.value("plain"), try result.value("same")))
    }
}
