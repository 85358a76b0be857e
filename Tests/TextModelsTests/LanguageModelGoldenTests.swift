import Layers
import TensorCore
import TestSupport
import TextModels
import Testing
import Weights

/// The language models beside transformers.
@Suite struct LanguageModelGoldenTests {
    static let models = [
        "gpt2", "gpt-neox", "gpt-neox-serial", "llama", "llama-tied", "llama-linear", "llama-dynamic", "llama-llama3",
        "llama-yarn",
        "gemma2", "gemma3", "mamba", "mamba-bias",
    ]

    struct Loaded {
        var model: any LanguageModel
        var parameters: [String: Tensor]
        var sites: SiteIndex
        var golden: [String: Tensor]
        var length: Int

        func require(_ name: String) throws -> Tensor { try Fixtures.require(golden, name) }
    }

    static func load(_ name: String, isTrainable: Bool = false, isFrozen: Bool = false) throws -> Loaded {
        let folder = "tiny-lm/\(name)"
        let path = "\(folder)/config.json"
        let configuration = try LanguageModels.configuration(Fixtures.data(path), path: path)
        var parameters = try Fixtures.tensors("\(folder)/model.safetensors")
        if isTrainable { parameters = parameters.mapValues { $0.tracked() } }
        if isFrozen { parameters = parameters.mapValues { $0.frozen() } }
        let sites = SiteIndex()
        let (model, report) = try ScopedWeights.load(DictionarySource(parameters), root: "", sites: sites) {
            try configuration.model($0)
        }
        #expect(report.unused == [])
        let metadata = try Fixtures.metadata("\(folder)/golden.safetensors")
        return Loaded(
            model: model, parameters: parameters, sites: sites,
            golden: try Fixtures.tensors("\(folder)/golden.safetensors"), length: Int(metadata["length"] ?? "") ?? 0)
    }

    /// transformers calls the head of GPT-NeoX otherwise than its checkpoints do, whose spelling counts here.
    static func path(_ path: String) -> String { path.replacing("lm_head", with: "embed_out") }

    @Test(arguments: models) func prefill(_ name: String) throws {
        let loaded = try Self.load(name)
        let ids = try loaded.require("input/ids").narrowed(1, start: 0, count: loaded.length)
        let recorder = SiteRecorder(loaded.sites)
        let output = loaded.model(TokenBatch(ids), Pass(plan: recorder.plan()))
        #expect(maximumDifference(output.logits, try loaded.require("prefill/logits")) <= 1e-4)
        let sites = try GoldenSites("tiny-lm/\(name)/golden.safetensors")
        #expect(sites.values.count >= 10)
        #expect(sites.differences(tolerance: 1e-4) { recorder[$0] ?? recorder[Self.path($0)] } == [])
    }

    /// Probabilities exist when they are looked at, and nothing else changes by more than rounding.
    @Test(arguments: models) func patterns(_ name: String) throws {
        let loaded = try Self.load(name)
        let expected = tensors(loaded.golden, under: "pattern/")
        let ids = try loaded.require("input/ids").narrowed(1, start: 0, count: loaded.length)
        let recorder = SiteRecorder(loaded.sites)
        let output = loaded.model(TokenBatch(ids), Pass(plan: recorder.plan(ports: Port.allCases)))
        #expect(maximumDifference(output.logits, try loaded.require("prefill/logits")) <= 1e-4)
        let paths = recorder.paths(.pattern)
        #expect(paths.count == expected.count)
        for (index, path) in paths.enumerated() {
            let pattern = try #require(recorder[path, .pattern])
            #expect(maximumDifference(pattern, try Fixtures.require(expected, "\(index)")) <= 1e-5)
            for port in [Port.queries, .keys, .values, .scores, .heads] { #expect(recorder[path, port] != nil) }
        }
        #expect(!recorder.paths(.state).isEmpty == name.hasPrefix("mamba"))
    }

    @Test(arguments: models, [false, true]) func decoding(_ name: String, _ isFrozen: Bool) throws {
        let loaded = try Self.load(name, isFrozen: isFrozen)
        let (ids, expected) = (try loaded.require("input/ids"), try loaded.require("decode/logits"))
        let first = ids.narrowed(1, start: 0, count: loaded.length)
        var output = loaded.model(TokenBatch(first), after: DecodingState(), logits: .last, Pass())
        let prefill = try loaded.require("prefill/logits").narrowed(1, start: loaded.length - 1, count: 1)
        #expect(maximumDifference(output.logits, prefill) <= 1e-4)
        for step in 0..<expected.size(1) {
            let next = ids.narrowed(1, start: loaded.length + step, count: 1)
            output = loaded.model(TokenBatch(next), after: output.state, logits: .last, Pass())
            let golden = expected.narrowed(1, start: step, count: 1)
            #expect(maximumDifference(output.logits, golden) <= 1e-4, "step \(step)")
        }
    }

    /// Two rows, the second shorter and padded; then both go on for one token.
    @Test(arguments: models) func leftPadding(_ name: String) throws {
        let loaded = try Self.load(name, isFrozen: true)
        let rows = [
            try loaded.require("input/ids").integers.prefix(loaded.length).map(Int.init),
            try loaded.require("padded/short").integers.map(Int.init),
        ]
        let batch = TokenBatch(rows)
        let output = loaded.model(batch, after: DecodingState(), logits: .all, Pass())
        let expected = try loaded.require("padded/logits")
        let short = output.logits.narrowed(0, start: 1, count: 1)
            .narrowed(1, start: loaded.length - rows[1].count, count: rows[1].count)
        let next = try loaded.require("padded/next")
        let after = loaded.model(TokenBatch(next), after: output.state, logits: .last, Pass())
        // The reference lets padding act in two: there, angles of dynamic scaling follow the longest row, and a bias
        // before Mamba's convolution turns padding into input.
        if name != "llama-dynamic", name != "mamba-bias" {
            #expect(maximumDifference(short, expected) <= 1e-4)
            #expect(maximumDifference(after.logits, try loaded.require("padded/decoded")) <= 1e-4)
        }
        // Padding leaves no trace: the short row alone, and what follows it.
        let alone = loaded.model(TokenBatch([rows[1]]), after: DecodingState(), logits: .all, Pass())
        #expect(maximumDifference(short, alone.logits) <= 1e-4)
        let last = TokenBatch(next.narrowed(0, start: 1, count: 1))
        let aloneAfter = loaded.model(last, after: alone.state, logits: .last, Pass())
        #expect(maximumDifference(after.logits.narrowed(0, start: 1, count: 1), aloneAfter.logits) <= 1e-4)
    }

    @Test(arguments: models, [CheckpointPolicy.none, .blocks])
    func everyGradient(_ name: String, _ checkpointing: CheckpointPolicy) throws {
        let loaded = try Self.load(name, isTrainable: true)
        let ids = try loaded.require("input/ids").narrowed(1, start: 0, count: loaded.length)
        let output = loaded.model(TokenBatch(ids), Pass(checkpointing: checkpointing))
        let result = gradients(of: sum(output.logits * (try loaded.require("input/weights"))))
        let expected = tensors(loaded.golden, under: "gradient/")
        #expect(expected.count == loaded.parameters.count)
        let differences = gradientDifferences(golden: expected) { name in
            (loaded.parameters[name] ?? loaded.parameters[Self.path(name)]).flatMap { result[$0] }
        }
        #expect(differences == [])
    }

    /// Gradients at sites, by putting a leaf of zeros on top of each value.
    @Test(arguments: models) func activationGradients(_ name: String) throws {
        let loaded = try Self.load(name)
        let ids = try loaded.require("input/ids").narrowed(1, start: 0, count: loaded.length)
        let expected = tensors(loaded.golden, under: "activation/")
        var (plan, leaves) = (SitePlan(), [String: Tensor]())
        for (path, golden) in expected {
            let leaf = Tensor.zeros(golden.shape).tracked()
            leaves[path] = leaf
            plan.add(.replace { $0 + leaf }, at: try #require(loaded.sites[path]))
        }
        let output = loaded.model(TokenBatch(ids), Pass(plan: plan))
        let result = gradients(of: sum(output.logits * (try loaded.require("input/weights"))))
        #expect(expected.count > 1)
        #expect(gradientDifferences(golden: expected) { leaves[$0].flatMap { result[$0] } } == [])
    }
}
