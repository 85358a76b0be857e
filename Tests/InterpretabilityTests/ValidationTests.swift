import Foundation
import Interpretability
import TensorCore
import TestSupport
import Testing

@Suite struct ValidationTests {
    static let tokens = [5, 9, 20, 31, 8]

    /// The error that a graph gives before it runs.
    private func error(
        _ limits: TraceLimits = TraceLimits(), _ build: (TraceBuilder, TracedPrompt) throws -> Void
    ) throws -> TraceError? {
        let model = try TinyModels.text("llama")
        let graph = try InterventionGraph.written { t in try build(t, t.prompt(Self.tokens)) }
        do {
            _ = try model.program(graph, limits: limits)
            return nil
        } catch let error as TraceError { return error }
    }

    @Test func unknownSites() throws {
        let wrong = try error { t, p in t.save("x", p["layers.1.attn.patern"]) }
        #expect(wrong?.kind == .unknownSite)
        #expect(
            wrong?.description.contains("did you mean \"layers.1.attn.pattern\"?") == true,
            "\(wrong?.description ?? "")")
        #expect(
            try error { t, p in t.save("x", p["model.layers.2.mlp.down_prj"]) }?.advice?.contains("down_proj") == true)
        #expect(try error { t, p in t.save("x", p["layers.3.resid_post"]) }?.kind == .unknownSite)
        #expect(try error { t, p in t.save("x", p["model.layers.0:pattern"]) }?.kind == .unknownSite)
        #expect(try error { t, p in t.save("x", p["model.layers.0:nonsense"]) }?.kind == .unknownSite)
    }

    @Test func shapes() throws {
        #expect(try error { t, p in p["layers.0.resid_post"] = t.constant(Tensor.ones([4, 16])) }?.kind == .shape)
        #expect(try error { t, p in t.save("x", p["embed"] + p["logits"]) }?.kind == .shape)
        #expect(try error { t, p in t.save("x", p["embed"].matmul(p["embed"])) }?.kind == .shape)
        #expect(try error { t, p in t.save("x", p["embed"].sum([2])) }?.kind == .shape)
        #expect(try error { t, p in t.save("x", p["logits"].unembedded()) }?.kind == .shape)
        #expect(try error { t, p in t.save("x", t.gradient(of: p["logits"], at: p["embed"])) }?.kind == .shape)
        #expect(try error { t, p in t.save("x", p["embed", token: 5]) }?.kind == .selection)
        #expect(try error { t, p in t.save("x", p["embed", token: -6]) }?.kind == .selection)
        #expect(try error { t, p in t.save("x", p["embed", head: 0]) }?.kind == .selection)
        #expect(try error { t, p in t.save("x", p["layers.0.attn.z", head: 4]) }?.kind == .selection)
    }

    @Test func costs() throws {
        // 100 GB, found without making any of them.
        let huge = try error { t, p in
            let column = t.constant(Tensor.ones([160_000, 1]))
            t.save("x", column.matmul(column.reshaped([1, 160_000])))
        }
        #expect(huge?.kind == .limit)
        var limits = TraceLimits()
        limits.savedBytes = 900
        let many = try error(limits) { t, p in
            for layer in 0..<3 { t.save("\(layer)", p["layers.\(layer).resid_post"]) }
        }
        #expect(many?.kind == .limit)
        #expect(many?.place.contains("save") == true)
        #expect(try error { t, p in t.steps = 100_000 }?.kind == .limit)
    }

    @Test func ordersAndInputs() throws {
        #expect(try error { t, p in t.save("x", p["embed", steps: .only(1)]) }?.kind == .order)
        #expect(
            try error { t, p in
                t.steps = 3
                p["embed"] = p["embed", steps: .range(1..<3)].sum([0])
            }?.kind == .order)
        #expect(try error { t, p in t.save("x", t.prompt([99])["embed"]) }?.kind == .input)
        #expect(try error { t, p in t.save("x", t.prompt([])["embed"]) }?.kind == .input)
        #expect(try error { t, p in t.save("x", t.prompt("a text")["embed"]) }?.kind == .input)
        #expect(
            try error { t, p in
                t.steps = 2
                t.save("x", t.gradient(of: p["logits", token: -1].sum(), at: p["embed"]))
            }?.kind == .unsupported)
        var forward = InterventionGraph()
        forward.prompts = [PromptInput(tokens: [1])]
        forward.nodes = [Node(.exp, inputs: [0])]
        #expect(throws: TraceError.self) { try TinyModels.text("llama").program(forward) }
        forward.nodes = [Node(.add, inputs: [])]
        #expect(throws: TraceError.self) { try TinyModels.text("llama").program(forward) }
        forward.nodes = [Node(.get)]
        #expect(throws: TraceError.self) { try TinyModels.text("llama").program(forward) }
    }

    /// A graph is the same after a journey as JSON, and so is what it finds.
    @Test func roundTrip() throws {
        let model = try TinyModels.text("gemma2")
        let graph = InterventionGraph.written { t in
            let (a, b) = (t.prompt(Self.tokens), t.prompt([1, 2, 3, 4, 6]))
            a["layers.0.attn.pattern", head: 1, keys: 0..<2] = b["layers.0.attn.pattern", head: 1, keys: 0..<2]
            a["layers.1.mlp.act", token: -1] = (b["layers.1.mlp.act", token: -1] * 0.3).tanh() + t.constant(0.1)
            a.knockOut(layer: 2, from: -1, to: 1..<3)
            b["embed"] = b["embed"] + t.normal([5, 16], seed: 8, deviation: 0.2)
            let loss = a["logits", token: -1].logSoftmax().at(3, axis: 0)
            t.save("slope", t.gradient(of: loss, at: b["layers.0.resid_pre"]))
            t.save("top", a["logits"].argmax())
        }
        let data = try graph.json()
        let copy = try InterventionGraph(json: data)
        #expect(copy == graph)
        #expect(try copy.json() == data)
        let (first, second) = (try model.run(graph), try model.run(copy))
        for name in ["slope", "top"] { #expect(isBitEqual(try first.value(name), try second.value(name))) }
    }

    @Test func strangeJSON() throws {
        func message(_ text: String) -> String {
            do {
                _ = try InterventionGraph(json: Data(text.utf8))
                return ""
            } catch { return "\(error)" }
        }
        let unknown = #"{"version":1,"prompts":[],"saves":{},"steps":1,"nodes":[{"operation":"system"}]}"#
        #expect(message(unknown).contains("system"))
        #expect(message("[]").contains("expected the JSON of a graph"))
        #expect(message(#"{"version":2,"prompts":[],"saves":{},"steps":1,"nodes":[]}"#).contains("version"))
        let literal =
            #"{"version":1,"prompts":[],"saves":{},"steps":1,"nodes":[{"operation":"constant","values":{"shape":[9223372036854775807,4],"data":""}}]}"#
        #expect(message(literal).contains("base64"))
    }

    /// Damaged graphs are refused or run; none stops the program.
    @Test func damagedGraphs() throws {
        let model = try TinyModels.text("gpt2")
        let graph = InterventionGraph.written { t in
            let (a, b) = (t.prompt(Self.tokens), t.prompt([1, 2]))
            b["layers.0.resid_post", token: -1] = a["layers.1.resid_post", token: 0] * 0.5
            t.save("x", b["logits"].softmax())
            t.save("y", t.gradient(of: b["logits", token: -1].sum(), at: a["layers.0.resid_pre"]).sum([-1]))
        }
        let bytes = [UInt8](try graph.json())
        var random = TorchGenerator(seed: 11)
        var ran = 0
        for _ in 0..<400 {
            var damaged = bytes
            for place in random.integers(below: bytes.count, count: 2) {
                damaged[place] = UInt8(random.integers(below: 95, count: 1)[0] + 32)
            }
            do {
                let changed = try InterventionGraph(json: Data(damaged))
                var limits = TraceLimits()
                (limits.valueBytes, limits.savedBytes, limits.steps) = (1 << 20, 1 << 20, 8)
                _ = try model.run(changed, limits: limits)
                ran += 1
            } catch is TraceError {}
        }
        #expect(ran < 400)
    }
}
