import Adapters
import Drawing
import Foundation
import Generation
import Imaging
import Layers
import TensorCore
import TestSupport
import Testing
import Weights
import World

@testable import Measurement

/// What counts as a change of which trait, and whole measurements on a tiny model.
@Suite struct SliderGaugeTests {
    static func probes(size: Int = 32) throws -> ProbePair {
        func probe(_ family: SceneFamily) throws -> Probe {
            let configuration = ProbeConfiguration(
                family: family, imageSize: size, channels: [8, 16], normGroups: 4, summaryChannels: 2, features: 4)
            return Probe(try ProbeNetwork(configuration, weights: ScopedWeights(InitializingSource(seed: 1))))
        }
        return ProbePair(portrait: try probe(.portrait), landscape: try probe(.landscape))
    }

    /// An answer with named values; classes are as good as certain.
    private func answer(_ gauge: SliderGauge, _ values: [String: Double], features: [Float] = [1, 2, 3, 4])
        -> Probe.Answer
    {
        let traits = gauge.probe.traits
        return Probe.Answer(
            values: traits.map { values[$0.name] ?? 0 },
            chances: traits.map { trait in
                guard case .choice(let classes) = trait.kind else { return [] }
                return classes.indices.map { Double($0) == values[trait.name] ?? 0 ? 1 : 0 }
            }, familyChance: 1, features: features)
    }

    private func row(_ name: String, _ gauge: SliderGauge) throws -> Int {
        try #require(gauge.traits.firstIndex { $0.name == name })
    }

    @Test func `a hat's colour counts only where there is a hat before and after`() throws {
        let gauge = try SliderGauge("age", probes: Self.probes())
        let color = try row("hat_color", gauge)
        func reading(hat: Double, color: Double) -> SliderGauge.Reading {
            gauge.reading(answer(gauge, ["hat": hat, "hat_color": color, "hair_length": 0.5]))
        }
        #expect(gauge.change(color, from: reading(hat: 1, color: 0), to: reading(hat: 1, color: 2))?.size == 1)
        #expect(gauge.change(color, from: reading(hat: 0, color: 0), to: reading(hat: 0, color: 2)) == nil)
        #expect(gauge.change(color, from: reading(hat: 1, color: 0), to: reading(hat: 0, color: 2)) == nil)
        // That a hat appears is itself a change.
        #expect(
            gauge.change(try row("hat", gauge), from: reading(hat: 0, color: 0), to: reading(hat: 1, color: 0))?.size
                == 1)
    }

    @Test func `rain is strong only where it rains, and clear sky is cloud cover`() throws {
        let gauge = try SliderGauge("cloud_cover", probes: Self.probes())
        func reading(_ weather: Double, strength: Double = 0) -> SliderGauge.Reading {
            gauge.reading(answer(gauge, ["weather": weather, "weather_intensity": strength]))
        }
        let (clear, cloud, rain) = (reading(0), reading(1), reading(2, strength: 0.9))
        let strength = try row("weather_intensity", gauge)
        #expect(gauge.change(strength, from: clear, to: rain) == nil)
        #expect(gauge.change(strength, from: rain, to: reading(2, strength: 0.4))?.size == 0.5)
        let weather = try row("weather", gauge)
        #expect(gauge.change(weather, from: clear, to: cloud)?.size == 0)
        #expect(gauge.change(weather, from: cloud, to: rain)?.size == 1)
        // Fog hides the target itself.
        #expect(gauge.change(0, from: clear, to: reading(4)) == nil)
    }

    @Test func `what is read along the target is no drift`() throws {
        let gauge = try SliderGauge("age", probes: Self.probes())
        let direction = gauge.probe.network.directions(of: 0).floats
        let base: [Float] = [1, 2, 3, 4]
        let along = zip(base, direction).map { $0 + 3 * $1 }
        let read = { (features: [Float]) in gauge.reading(self.answer(gauge, [:], features: features)) }
        #expect(gauge.drift(from: read(base), to: read(along)) < 1e-6)
        #expect(gauge.drift(from: read(base), to: read(base.map { 2 * $0 })) > 0.5)
    }

    @Test func `circles become numbers that rise and fall`() throws {
        let night = try SliderGauge("nightfall", probes: Self.probes())
        func reading(_ hour: Double) -> SliderGauge.Reading { night.reading(answer(night, ["hour_of_day": hour])) }
        let dusk = try #require(night.change(0, from: reading(12), to: reading(18)))
        #expect(abs(dusk.signed - 0.5) < 1e-9)
        #expect(!night.traits.dropFirst().contains { $0.name == "hour_of_day" })
        for derived in DerivedTrait.all {
            for value in [0.1, 0.5, 0.85] { #expect(abs(derived.value(derived.position(of: value)) - value) < 1e-9) }
        }
        #expect(throws: MeasurementError.self) { try SliderGauge("hat_color", probes: Self.probes()) }
        #expect(throws: MeasurementError.self) { try SliderGauge("nothing", probes: Self.probes()) }
        #expect(try SliderGauge("glasses", probes: Self.probes()).target.width == 1)
    }

    @Test(arguments: ["age", "smile", "hair_length", "cloud_cover", "nightfall", "leaf_warmth"])
    func `raised prompts say more than plain ones`(_ name: String) throws {
        let family: SceneFamily = ["age", "smile", "hair_length"].contains(name) ? .portrait : .landscape
        let cases = SliderCases(prompts: 20, seeds: 2)(family: family, without: [name], raising: name)
        #expect(cases.count == 40 && Set(cases.map(\.seed)).count == 40)
        let raised = cases.filter { $0.raised != nil }
        #expect(raised.count >= 10, "\(raised.count)")
        #expect(raised.allSatisfy { $0.raised != $0.prompt })
        if name == "age" {
            let words = cases.flatMap { $0.prompt.split(separator: " ") }
            #expect(!words.contains("old") && !words.contains("young"))
        }
    }

    // MARK: A tiny model

    /// A slider of random factors that changes the tiny model visibly.
    static func slider(_ model: StableDiffusion, seed: UInt64, name: String = "age") throws -> Adapter {
        var random = TorchGenerator(seed: seed)
        let modules = SliderTarget(.lierla, .noxattn).modules(of: model.modules)
        var adapter = Adapter.untrained(name: name, modules: modules, rank: 2, alpha: 2, random: &random)
        adapter = adapter.replacing(
            parameters: adapter.parameters.mapValues { random.normal($0.shape) * 0.2 })
        try adapter.setNote(SliderNote(name: name, base: "abc"))
        return adapter
    }

    @Test func `a whole report is drawn once and says where the slider acts`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let probes = try Self.probes(size: model.defaultSize)
        let gauge = try SliderGauge("age", probes: probes)
        let adapter = try Self.slider(model, seed: 3)
        let other = try Self.slider(model, seed: 4)
        let drawer = try SliderDrawer(
            adapter, model: model, usesUnit: true, others: [other], steps: 4, guidanceScale: 3)
        var evaluation = SliderEvaluation()
        (evaluation.cases, evaluation.scales) = (SliderCases(prompts: 3, seeds: 1), [0, 1])
        evaluation.extras.profilePrompts = 1
        evaluation.extras.windows = 2
        evaluation.extras.blocks = drawer.blocks
        evaluation.extras.ways = [
            ("other", .beside(0)), ("words", .words), ("prompt-to-prompt", .exchange), ("direction", .direction(2)),
        ]
        var drawn = 0
        let result = try evaluation.run(slider: "age", gauge: gauge) { cases, variants in
            drawn += cases.count * variants.count
            return try drawer.draw(cases, variants)
        }
        #expect(drawn <= evaluation.pictureCount)
        let report = result.report
        #expect(report.rows.allSatisfy { $0.changes[0] == 0 } && report.perceptual[0] == 0 && report.perceptual[1] > 0)
        #expect(report.windows.count == 2 && report.blocks.count == drawer.blocks.count && report.blocks.count >= 2)
        #expect(report.windows.contains { $0.perceptual > 0 } && report.blocks.contains { $0.perceptual > 0 })
        #expect(report.ways.map(\.name).first == "slider" && (report.ways.count == 5 || report.ways.count == 1))
        let shares = try drawer.layerShares()
        #expect(abs(shares.prefix(drawer.blocks.count).reduce(0) { $0 + $1.share } - 1) < 1e-6)
        // The slider in all windows together is the slider.
        let cases = Array(result.cases.prefix(1))
        let whole = try drawer.draw(cases, [.scale(1), .window(from: 1, to: 0), .zero, .scale(0)])[0]
        #expect(whole[0] == whole[1] && whole[2] == whole[3] && whole[0] != whole[3])
        let data = try JSONEncoder().encode(report)
        #expect(try JSONDecoder().decode(SliderReport.self, from: data) == report)
    }

    @Test func `a slider that starts late shares the beginning with the plain picture`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        var adapter = try Self.slider(model, seed: 3)
        var note = try #require(adapter.sliderNote)
        note.start = 0.6
        try adapter.setNote(note)
        let drawer = try SliderDrawer(adapter, model: model, usesUnit: true, steps: 4, guidanceScale: 3)
        let wanted = SliderCase(prompt: "a cat", seed: 5)
        let shared = try drawer.draw([wanted], [.scale(0), .scale(1)])[0]
        let request = GenerationRequest(
            prompt: "a cat", steps: 4, guidanceScale: 3, seed: 5, width: model.defaultSize, height: model.defaultSize)
        let stack = try AdapterStack([SliderDrawer.entry(adapter, model)], sites: model.sites)
        var alone = try Denoising(request, model: model, pass: Pass(adaptation: stack))
        alone.advanceToEnd()
        #expect(try shared[1] == alone.picture() && shared[0] != shared[1])
    }

    @Test func `prompt-to-prompt with the same prompt is the picture itself`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let request = GenerationRequest(
            prompt: "a cat", steps: 4, guidanceScale: 3, seed: 5, width: model.defaultSize, height: model.defaultSize)
        let same = try PromptToPrompt()(request, edited: "a cat", model: model)
        #expect(maximumDifference(same.source.latents, same.edited.latents) < 1e-4)
        var words = request
        words.prompt = "an old cat"
        var plain = try Denoising(words, model: model)
        plain.advanceToEnd()
        // It takes over what the words alone do not.
        let changed = try PromptToPrompt()(request, edited: words.prompt, model: model)
        #expect(maximumDifference(changed.source.latents, same.source.latents) == 0)
        #expect(maximumDifference(changed.edited.latents, plain.latents) > 1e-4)
        #expect(maximumDifference(changed.edited.latents, changed.source.latents) > 1e-4)
    }

    @Test func `a bank holds a slider to what it did`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let probes = try Self.probes(size: model.defaultSize)
        let gauge = try SliderGauge("age", probes: probes)
        let cases = [SliderCase(prompt: "a cat", seed: 1), SliderCase(prompt: "a dog", seed: 2)]
        let bystanders = [SliderCase(prompt: "hills", seed: 3)]
        func trial(_ adapter: Adapter) throws -> SliderBank.Trial {
            let drawer = try SliderDrawer(adapter, model: model, usesUnit: true, steps: 3, guidanceScale: 3)
            return try SliderBank.trial(
                cases, bystanders: bystanders, scales: [-1, 0, 1], gauge: gauge, probes: probes
            ) { try drawer.draw($0, $1) }
        }
        let trained = try trial(Self.slider(model, seed: 3))
        #expect(trained.isZeroExact)
        let bank = SliderBank(
            trained, slider: "age", trait: "age", model: "abc", steps: 3, guidanceScale: 3, cases: cases,
            bystanders: bystanders, scales: [-1, 0, 1])
        #expect(!bank.findings(trained).contains { !$0.isGood })
        let stored = try JSONDecoder().decode(SliderBank.self, from: JSONEncoder().encode(bank))
        #expect(stored == bank)
        // Anything else fails where it is worse.
        var worse = trained
        worse.effects[2] += 0.06
        worse.isZeroExact = false
        worse.bystander = 2 * bank.bystander
        let failed = bank.findings(worse).filter { !$0.isGood }.map(\.subject)
        #expect(failed == ["scale 0", "effect on age at 1.0", "perceptual distance of bystanders"])
    }

    @Test func `sliders of a folder are compared pair by pair and all at once`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let probes = try Self.probes(size: model.defaultSize)
        let members = try [("age", 3), ("smile", 4), ("trees", 5)].map { name, seed in
            SliderFolder.Member(
                name: name, adapter: try Self.slider(model, seed: UInt64(seed), name: name),
                gauge: try SliderGauge(name, probes: probes))
        }
        let folder = try SliderFolder(
            members, model: model, cases: SliderCases(prompts: 2, seeds: 1), steps: 2, guidanceScale: 3)
        var last = 0
        var report = try folder.matrix { last = $0 }
        #expect(last == folder.matrixPictures && folder.families == 2)
        #expect(
            (0..<3).allSatisfy { report.gram[$0][$0] > 0.999 && abs(report.gram[0][$0] - report.gram[$0][0]) < 1e-6 })
        #expect((0..<3).allSatisfy { abs((report.interference[$0][$0] ?? 0) - 1) < 1e-6 })
        #expect(
            report.interference[0][1] != nil && report.interference[0][2] == nil && report.interference[2][0] == nil)
        report.composition = try folder.composition(4)
        #expect(report.composition?.count == 3)
        #expect(report.composition?.allSatisfy { $0.map { abs($0) <= 1 + 1e-9 } ?? true } == true)
        let grid = try folder.grid(0, 1, scales: [0, 1])
        #expect(grid.rows.count == 2 && grid.rows[0][0]?.image != grid.rows[1][1]?.image)
        #expect(report.markdown.contains("correlation") && report.interferenceMap().draw().width > 100)
        #expect(abs((correlation([(0, 1), (1, 3), (2, 5)]) ?? 0) - 1) < 1e-12)
        #expect(correlation([(0, 1), (1, 1), (2, 1)]) == nil)
    }
}
