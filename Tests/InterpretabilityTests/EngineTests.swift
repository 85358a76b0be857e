import Foundation
import Interpretability
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

@Suite struct EngineTests {
    static let a = [5, 9, 20, 31, 8], b = [7, 2, 20, 11, 30]

    /// The sites of a model whose values are no other's view.
    static func ownSites(_ model: TracedTextModel) throws -> [SiteScan.Entry] {
        try model.scan([]).entries.filter { !$0.isShared }
    }

    @Test(arguments: TinyModels.families) func identityIsFree(_ family: String) throws {
        let model = try TinyModels.text(family)
        let sites = try Self.ownSites(model)
        #expect(sites.count > 30)
        let result = try model.trace { t in
            let plain = t.prompt(Self.a)
            for site in sites {
                plain["\(site.path):\(site.port.rawValue)"] = plain["\(site.path):\(site.port.rawValue)"]
            }
            t.save("logits", plain["logits"])
        }
        #expect(result.passes == 1)
        #expect(isBitEqual(try result.value("logits"), TinyModels.logits(model, Self.a).contiguous()))
    }

    /// Every site can be read, has the shape that was foretold, and a pattern that is put back changes nothing.
    @Test(arguments: TinyModels.families) func everySite(_ family: String) throws {
        let model = try TinyModels.text(family)
        let sites = try model.scan([]).entries
        let graph = InterventionGraph.written { t in
            let prompts = [t.prompt(Self.a), t.prompt([3, 4, 6])]
            for (index, prompt) in prompts.enumerated() {
                for site in sites { t.save("\(index) \(site.name)", prompt["\(site.path):\(site.port.rawValue)"]) }
            }
        }
        let program = try model.program(graph)
        let result = try model.run(graph)
        for name in graph.saves.keys { #expect(result[name]?.shape == program.shape(name), "\(name)") }
        #expect(program.savedBytes == graph.saves.keys.reduce(0) { $0 + 4 * (result[$1]?.count ?? 0) })
        #expect(maximumDifference(try result.value("1 \(model.headName)"), TinyModels.logits(model, [3, 4, 6])) < 1e-4)
        guard family != "mamba" else { return }
        let pattern = try result.value("0 \(try #require(sites.first { $0.port == .pattern }).name)")
        #expect(maximumDifference(sum(pattern, axes: [2]), Tensor.ones([pattern.size(0), 5])) < 1e-5)
    }

    @Test(arguments: TinyModels.families) func patchingEverything(_ family: String) throws {
        let model = try TinyModels.text(family)
        let wanted = TinyModels.logits(model, Self.b)
        for layer in 0..<model.layers {
            let result = try model.trace { t in
                let (a, b) = (t.prompt(Self.a), t.prompt(Self.b))
                a["layers.\(layer).resid_post"] = b["layers.\(layer).resid_post"]
                t.save("logits", a["logits"])
            }
            #expect(isBitEqual(try result.value("logits"), wanted.contiguous()), "layer \(layer)")
        }
        let none = try model.trace { t in
            t.save("logits", t.prompt(Self.a)["logits", token: -1])
        }
        #expect(!isBitEqual(try none.value("logits"), wanted.selected(0, -1).contiguous()))
    }

    /// Eight interventions side by side, each as if it were alone.
    @Test(arguments: TinyModels.families) func eightAtOnce(_ family: String) throws {
        let model = try TinyModels.text(family)
        func intervene(_ t: TraceBuilder, _ index: Int) {
            let prompt = t.prompt(Self.a.map { ($0 + index) % TinyModels.vocabulary })
            let site = "layers.\(index % 3).resid_post"
            switch index % 4 {
            case 0: prompt[site, token: index % 5] *= 0
            case 1: prompt[site, channel: index] = t.constant(3)
            case 2: prompt[site, tokens: 1..<3] = prompt[site, tokens: 2..<4]
            default: prompt["layers.1.resid_pre"] = prompt["layers.0.resid_pre"] + t.normal([16], seed: 9)
            }
            t.save("\(index)", prompt["logits"])
        }
        let together = try model.trace { t in for index in 0..<8 { intervene(t, index) } }
        for index in 0..<8 {
            let alone = try model.trace { t in intervene(t, index) }
            #expect(isBitEqual(try together.value("\(index)"), try alone.value("\(index)")), "\(index)")
        }
    }

    /// Prompts of different length: the last token of each is what it would be alone, and so is a patch between them.
    @Test(arguments: TinyModels.families) func leftPadding(_ family: String) throws {
        let model = try TinyModels.text(family)
        func patch(_ t: TraceBuilder, _ name: String) {
            let (long, short) = (t.prompt(Self.a), t.prompt([3, 4]))
            short["layers.1.resid_post", token: -1] = long["layers.1.resid_post", token: 0]
            short["layers.2.resid_pre", token: 0] *= 2
            t.save(name, short["logits"])
        }
        let batch = try model.trace { t in
            _ = t.prompt([1])
            patch(t, "x")
            t.save("longest", t.prompt([1, 2, 3, 4, 5, 6, 7, 8])["logits"])
        }
        let alone = try model.trace { t in
            let donor = t.constant(
                try model.trace { s in
                    s.save("v", s.prompt(Self.a)["layers.1.resid_post", token: 0])
                }.value("v"))
            let short = t.prompt([3, 4])
            short["layers.1.resid_post", token: -1] = donor
            short["layers.2.resid_pre", token: 0] *= 2
            t.save("x", short["logits"])
        }
        #expect(try maximumDifference(batch.value("x"), alone.value("x")) < 1e-4)
    }

    /// An early site takes a later value, of the same prompt and of another one: more passes, the same numbers.
    @Test(arguments: ["gpt2", "mamba"]) func lateIntoEarly(_ family: String) throws {
        let model = try TinyModels.text(family)
        let late = try model.trace { t in
            t.save("a", t.prompt(Self.a)["layers.2.resid_post"])
            t.save("b", t.prompt(Self.b)["layers.1.resid_post"])
        }
        let wanted = try model.trace { t in
            let a = t.prompt(Self.a)
            a["layers.0.resid_pre"] = t.constant(try late.value("a")) * 0.5
            a["layers.1.resid_pre"] = t.constant(try late.value("b"))
            t.save("logits", a["logits"])
        }
        let found = try model.trace { t in
            let (a, b) = (t.prompt(Self.a), t.prompt(Self.b))
            let raw = a["layers.2.resid_post"]
            a["layers.0.resid_pre"] = raw * 0.5
            a["layers.1.resid_pre"] = b["layers.1.resid_post"]
            t.save("raw", raw)
            t.save("logits", a["logits"])
        }
        #expect(found.passes == 2)
        #expect(isBitEqual(try found.value("raw"), try late.value("a")))
        #expect(isBitEqual(try found.value("logits"), try wanted.value("logits")))
    }

    /// A get sees the sets before it in the graph and no others, whatever the order of sites.
    @Test func versions() throws {
        let model = try TinyModels.text("llama")
        let result = try model.trace { t in
            let a = t.prompt(Self.a)
            t.save("before", a["layers.1.mlp.out"])
            t.save("end before", a["logits"])
            a["layers.1.mlp.out"] *= 2
            t.save("after", a["layers.1.mlp.out"])
            t.save("end after", a["logits"])
            a["layers.1.mlp.out"] *= 2
            t.save("twice", a["layers.1.mlp.out"])
        }
        #expect(isBitEqual(try result.value("after"), try result.value("before") * 2))
        #expect(isBitEqual(try result.value("twice"), try result.value("before") * 4))
        #expect(isBitEqual(try result.value("end before"), TinyModels.logits(model, Self.a).contiguous()))
        #expect(!isBitEqual(try result.value("end before"), try result.value("end after")))
    }

    @Test func ablations() throws {
        let model = try TinyModels.text("gpt2")
        let result = try model.trace { t in
            let prompts = [t.prompt(Self.a), t.prompt(Self.b)]
            let zero = t.prompt(Self.a), mean = t.prompt(Self.a), resample = t.prompt(Self.a)
            zero.ablate("layers.1.attn.z", head: 2)
            mean.ablate("layers.1.attn.z", head: 2, .mean(of: prompts))
            resample.ablate("layers.1.attn.z", head: 2, .resample(from: prompts[1]))
            for (name, prompt) in [
                ("a", prompts[0]), ("b", prompts[1]), ("zero", zero), ("mean", mean), ("other", resample),
            ] {
                t.save(name, prompt["layers.1.attn.z", head: 2])
                t.save(name + " rest", prompt["layers.1.attn.z", head: 1])
            }
        }
        let (a, b) = (try result.value("a"), try result.value("b"))
        #expect(isBitEqual(try result.value("zero"), Tensor.zeros(a.shape)))
        #expect(maximumDifference(try result.value("mean"), (a + b) * 0.5) < 1e-6)
        #expect(isBitEqual(try result.value("other"), b))
        #expect(isBitEqual(try result.value("zero rest"), try result.value("a rest")))
    }

    /// A layer that is passed by is as good as not there; edits do it to every prompt, and leave the model as it is.
    @Test func editsThatStay() throws {
        let model = try TinyModels.text("llama")
        let graph = InterventionGraph.written { t in
            for (name, ids) in [("a", Self.a), ("b", Self.b)] { t.save(name, t.prompt(ids)["logits"]) }
        }
        let wanted = try model.trace { t in
            for (name, ids) in [("a", Self.a), ("b", Self.b)] {
                let prompt = t.prompt(ids)
                prompt["layers.2.resid_pre"] = prompt["layers.0.resid_post"]
                prompt["layers.2.mlp.out"] = prompt["layers.2.mlp.out"] * 2
                t.save(name, prompt["logits"])
            }
        }
        var edits = EditSet([InterventionGraph.written { t in t.prompt([0]).skip(layer: 1) }])
        edits.add(.written { t in t.prompt([0])["layers.2.mlp.out"] *= 2 })
        let copy = try JSONDecoder().decode(EditSet.self, from: JSONEncoder().encode(edits))
        let (found, plain) = (try model.run(copy.applied(to: graph)), try model.run(EditSet().applied(to: graph)))
        for (name, ids) in [("a", Self.a), ("b", Self.b)] {
            #expect(isBitEqual(try found.value(name), try wanted.value(name)))
            #expect(isBitEqual(try plain.value(name), TinyModels.logits(model, ids).contiguous()))
        }
    }

    @Test func sessions() throws {
        let model = try TinyModels.text("llama")
        let first = InterventionGraph.written { t in t.save("v", t.prompt(Self.b)["layers.0.resid_post"]) }
        let second = InterventionGraph.written { t in
            let a = t.prompt(Self.a)
            a["layers.0.resid_post"] = t.saved("v", graph: 0)
            t.save("logits", a["logits"])
        }
        let results = try model.run(InterventionSession([first, second]))
        #expect(isBitEqual(try results[1].value("logits"), TinyModels.logits(model, Self.b).contiguous()))
        #expect(throws: TraceError.self) { try model.run(second) }
    }
}

extension TracedTextModel {
    /// The site of the logits, as a scan names it.
    var headName: String {
        sites["lm_head.softcap"] != nil ? "lm_head.softcap" : sites["embed_out"] != nil ? "embed_out" : "lm_head"
    }
}
