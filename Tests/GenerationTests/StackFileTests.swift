import Adapters
import Foundation
import Imaging
import Layers
import TensorCore
import TestSupport
import Testing

@testable import Generation

/// Stacks of sliders in files: what they say, what they refuse before any compute, and what they do to a picture.
@Suite struct StackFileTests {
    private static let folder = Fixtures.path("adapters")
    private static let slider = Fixtures.path("adapters/slider-bf16.pt")
    private let folders = StackFolders(own: [folder])

    private func inFolder(_ yaml: String, _ body: (String) throws -> Void) throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "a.stack.yaml").path
            try Data(yaml.utf8).write(to: URL(filePath: path))
            try body(path)
        }
    }

    private func uses(_ yaml: String, modelHash: String = "abcdef") throws -> [AdapterUse] {
        var result: [AdapterUse] = []
        try inFolder(yaml) { path in
            result = try StackFile(path: path).uses(path: path, folders: folders, model: ModelIdentity(hash: modelHash))
        }
        return result
    }

    private func latents(_ uses: [AdapterUse]) throws -> Tensor {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let request = GenerationRequest(
            prompt: "a cat", steps: 3, guidanceScale: 3, seed: 4, width: 64, height: 64, sampler: "euler")
        var denoising = try Denoising(request, model: model, pass: Pass(adaptation: model.adapters(uses)))
        while !denoising.isComplete { denoising.advance() }
        return denoising.latents
    }

    @Test func `an entry says how strongly, when, where and in which rows`() throws {
        let found = try uses(
            """
            schema: 1
            base: abc
            entries:
              - {slider: slider-bf16, scale: 1.5, start: 0.8, branch: conditional}
              - slider: \(Self.slider)
                scale: -1
                axis: fraction
                curve: [[0, 0], [1, 1]]
                gains: [{part: mid_block, gain: 0.5}]
                region: {box: [0, 0, 0.5, 1], feather: 0.1, lock: true}
            """)
        #expect(found.map(\.weight) == [1.5, -1] && found.allSatisfy { $0.file.path == Self.slider })
        #expect(found[0].schedule == StackSchedule(start: 0.8) && found[0].branch == .conditional)
        #expect(found[1].gains == [StackGain(part: "mid_block", gain: 0.5)] && found[1].region?.lock == true)
        let schedule = try #require(try found[1].schedule?.schedule(timesteps: 1000, of: "x"))
        #expect(schedule.factor(at: SamplingMoment(timestep: 500, fraction: 0.25)) == 0.25)
        let start = try #require(try found[0].schedule?.schedule(timesteps: 1000, of: "x"))
        #expect(start.factor(at: SamplingMoment(timestep: 801)) == 0)
        #expect(start.factor(at: SamplingMoment(timestep: 800)) == 1)
        // A recipe keeps all of it.
        let stored = try JSONDecoder().decode([AdapterUse].self, from: JSONEncoder().encode(found))
        #expect(stored == found)
    }

    @Test(arguments: [
        ("schema: 2\nentries: []", "schema"),
        ("schema: 1\nbase: ffff\nentries: [{slider: slider-bf16, scale: 1}]", "base"),
        ("schema: 1\nentries: [{slider: nothing-like-it, scale: 1}]", "nothing-like-it"),
        ("schema: 1\nentries: [{slider: slider-bf16, scale: 1, hash: '00'}]", "hash"),
        ("schema: 1\nentries: [{slider: slider-bf16, scale: 1, strength: 2}]", "strength"),
        ("schema: 1\nentries: [{slider: slider-bf16, scale: 1, hash: 'zz'}]", "hexadecimal"),
        ("schema: 1\nbase: sdxl\nentries: [{slider: slider-bf16, scale: 1}]", "base: expected sdxl"),
        ("schema: 1\nentries: [{slider: slider-bf16, scale: 1, combine: blend}]", "combine"),
        (
            "schema: 1\nentries: [{slider: slider-bf16, scale: 1, region: {mask: no.png}}]",
            "entry 1 (slider-bf16): region"
        ),
    ])
    func `what does not fit is refused by name`(_ yaml: String, _ word: String) {
        let error = #expect(throws: (any Error).self) { try uses(yaml) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(word))
    }

    @Test(arguments: [
        ("start: 2", "start"), ("start: 0.5, from: 1", "start"), ("axis: hours, from: 1", "axis"),
        ("from: 9, to: 1", "from"), ("curve: [[1]]", "curve"), ("region: {box: [0, 0, 2, 1]}", "region"),
        ("region: {box: [0.5, 0, 0.5, 1]}", "region"), ("region: {feather: 0.1}", "region"),
        ("region: {box: [0, 0, 1, 1], feather: 3}", "feather"), ("region: {word: cat, threshold: 0}", "threshold"),
        ("region: {word: cat, box: [0, 0, 1, 1]}", "a box and a word"),
        ("region: {box: [0, 0, 1, 1], threshold: 1}", "threshold"),
        // Blocks that the model has not.
        ("gains: [{part: mid_blok, gain: 1}]", "'mid_blok'"), ("gains: [{part: up_blocks.7, gain: 1}]", "up_blocks.7"),
        ("gains: [{part: '', gain: 1}]", "gains"),
        // Never active: outside of what a run goes through, or 0 wherever it comes.
        ("from: 1000", "1000.0 to"), ("to: -1", "never acts"), ("axis: fraction, from: 1", "never acts"),
        ("axis: fraction, from: 2, to: 3", "2.0 to 3.0"), ("axis: sigma, to: -0.5", "never acts"),
        ("curve: [[0, 0], [999, 0]]", "0 all the time"), ("curve: [[2000, 0], [3000, 1]]", "0 all the time"),
        ("curve: [[500, 0], [900, 1]], to: 400", "0 all the time"), ("curve: []", "curve"),
        // A start is a share of timesteps, and an axis is one of something.
        ("start: 0.5, axis: sigma", "no axis of sigma"), ("start: 0.5, axis: fraction", "no axis of fraction"),
        ("axis: sigma", "axis: expected `from`"),
        // Between the places that regions are drawn on.
        ("region: {box: [0.5, 0.5, 0.501, 0.501]}", "region box: expected something"),
    ])
    func `numbers out of range are refused before any compute`(_ fields: String, _ word: String) throws {
        let found = try uses("schema: 1\nentries: [{slider: slider-bf16, scale: 1, \(fields)}]")
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let error = #expect(throws: GenerationError.self) { try model.adapters(found) }
        #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("a.stack.yaml: entry 1 (slider-bf16): ") == true)
    }

    @Test(arguments: [
        "from: 999", "to: 0", "axis: fraction, from: 0.9", "axis: sigma, from: 3", "curve: [[0, 1], [900, 0]]",
        "curve: [[500, 0], [900, 1]], to: 501", "from: -5, to: 2000", "gains: [{part: mid_block, gain: 0}]",
    ])
    func `what acts at some time is let through`(_ fields: String) throws {
        let found = try uses("schema: 1\nentries: [{slider: slider-bf16, scale: 1, \(fields)}]")
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let stack = try model.adapters(found)
        #expect(stack?.entries.count == 1)
    }

    /// The request's Euler steps are at timesteps 751, 501, 251 and 1, of which a strength of a half leaves two.
    @Test(
        arguments: [
            ("from: 760, to: 800", nil, "from, to: expected a factor other than 0"), ("from: 740, to: 751", nil, nil),
            ("from: 740", 0.5, "740 to the end"), ("axis: fraction, from: 0.3, to: 0.45", nil, "0, 0.25, 0.5, 0.75"),
            ("axis: fraction, from: 0.3, to: 0.5", nil, nil), ("axis: fraction, to: 0.4", 0.5, "fraction 0.5, 0.75)"),
            ("axis: sigma, from: 500", nil, "(sigma"),
            ("curve: [[510, 0], [600, 1], [740, 0]]", nil, "curve: expected"),
            ("start: 0.01", nil, nil),
            ("region: {word: hat}", nil, "region word: expected words of the prompt"),
            ("region: {word: cat}", nil, nil),
        ] as [(String, Double?, String?)])
    func `what none of the steps comes through is refused before any compute`(
        _ fields: String, _ strength: Double?, _ word: String?
    ) throws {
        var found = try uses("schema: 1\nentries: [{slider: slider-bf16, scale: 1, \(fields)}]")
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let request = GenerationRequest(prompt: "a cat", steps: 4, width: 64, height: 64, sampler: "euler")
        guard let word else { return try model.checkActing(found, in: request, strength: strength) }
        let error = #expect(throws: GenerationError.self) {
            try model.checkActing(found, in: request, strength: strength)
        }
        #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("a.stack.yaml: entry 1 (slider-bf16): ") == true)
        found[0].weight = 0
        try model.checkActing(found, in: request, strength: strength)
    }

    @Test(
        arguments: [(nil, nil), ("heun", nil), ("euler", HiresFix(scale: 2, steps: 5, denoisingStrength: 0.5))]
            as [(String?, HiresFix?)])
    func `the moments that are planned are those of the run`(_ sampler: String?, _ hires: HiresFix?) throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        var request = GenerationRequest(prompt: "a cat", steps: 3, width: 32, height: 32, sampler: sampler)
        request.hires = hires
        var run = try Denoising(request, model: model)
        var seen: [[Double]] = []
        while !run.isComplete {
            let step = Double(run.step) / Double(run.totalSteps)
            // The second pass has its own timesteps, which are known once it has begun.
            let before = run.nextTimesteps
            run.advance()
            seen += before.map { [Double($0), step] }
        }
        let planned = try request.moments(for: model).map { [$0.timestep, $0.fraction] }
        #expect(planned.map { $0[1] } == (hires == nil ? seen.map { $0[1] } : [0, 0.2, 0.4, 0.6, 0.8]))
        if hires == nil { #expect(planned.map { $0[0] } == seen.map { $0[0] }) }
    }

    @Test func `entries are combined as the stack says`() throws {
        func drawn(_ entries: String) throws -> Tensor {
            let found = try uses("schema: 1\nentries: [\(entries)]")
            // A recipe keeps the rule.
            let stored = try JSONDecoder().decode([AdapterUse].self, from: JSONEncoder().encode(found))
            #expect(stored == found && stored.map(\.combine) == found.map(\.combine))
            return try latents(stored)
        }
        let (first, second) = ("slider: slider-bf16, scale: 1.5", "slider: locon.safetensors, scale: 1")
        let sum = try drawn("{\(first)}, {\(second), combine: sum}")
        let plain = try drawn("{\(first)}, {\(second)}")
        #expect(isBitEqual(sum, plain))
        let (replaced, other) = try (drawn("{\(first)}, {\(second), combine: replace}"), drawn("{\(second)}"))
        #expect(isBitEqual(replaced, other) && maximumDifference(replaced, sum) > 1e-3)
        let mean = try drawn("{\(first), combine: mean}, {\(second), combine: mean}")
        let halves = try drawn("{slider: slider-bf16, scale: 0.75}, {slider: locon.safetensors, scale: 0.5}")
        #expect(isBitEqual(mean, halves))
        let late = try drawn("{\(first)}, {\(second), combine: replace, start: 0.5}")
        let alone = try drawn("{\(first)}")
        #expect(maximumDifference(late, replaced) > 1e-3 && maximumDifference(late, alone) > 1e-3)
        let region = "region: {box: [0, 0, 0.5, 1]}"
        let inside = try drawn("{\(first)}, {\(second), combine: replace, \(region)}")
        let added = try drawn("{\(first)}, {\(second), \(region)}")
        #expect(maximumDifference(inside, added) > 1e-3 && maximumDifference(inside, replaced) > 1e-3)
    }

    @Test func `a locked region leaves the latents outside as they are`() throws {
        let base = try latents([])
        var use = try AdapterUse(path: Self.slider, weight: 1)
        use.region = StackRegion(box: [0, 0, 0.5, 1])
        let free = try latents([use])
        use.region?.lock = true
        let locked = try latents([use])
        let width = base.size(3)
        func half(_ tensor: Tensor, _ start: Int) -> Tensor {
            tensor.narrowed(3, start: start, count: width / 2).contiguous()
        }
        // Without the lock attention carries the change across; with it the right half is the base's to the bit.
        #expect(maximumDifference(half(free, width / 2), half(base, width / 2)) > 0)
        #expect(isBitEqual(half(locked, width / 2), half(base, width / 2)))
        #expect(maximumDifference(half(locked, 0), half(base, 0)) > 1e-3)
    }

    @Test func `a locked region leaves the pixels outside as they are`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let request = GenerationRequest(
            prompt: "a cat", steps: 3, guidanceScale: 3, seed: 4, width: 64, height: 64, sampler: "euler")
        func picture(_ weight: Double, _ region: StackRegion?) throws -> Image {
            var use = try AdapterUse(path: Self.slider, weight: weight)
            use.region = region
            var denoising = try Denoising(request, model: model, pass: Pass(adaptation: model.adapters([use])))
            denoising.advanceToEnd()
            return try denoising.picture()
        }
        let base = try picture(0, nil)
        let locked = try picture(2, StackRegion(box: [0, 0, 0.5, 1], lock: true))
        let columns = zip(base.pixels, locked.pixels).enumerated()
            .filter { $1.0 != $1.1 }
            .map { ($0.offset / 3) % 64 }
        let cell = model.latentFactor
        #expect(columns.contains { $0 < 32 - cell })
        #expect(columns.allSatisfy { $0 < 32 + cell })
    }

    @Test func `in a softened edge a locked slider acts as a free one`() throws {
        let base = try latents([])
        var use = try AdapterUse(path: Self.slider, weight: 1)
        use.region = StackRegion(box: [0, 0, 0.5, 1], feather: 0.12)
        let free = try latents([use])
        let mask = try #require(try use.region?.regionMask("x"))
        use.region?.lock = true
        let locked = try latents([use])
        let (height, width) = (base.size(2), base.size(3))
        let shares = mask.resized(height: height, width: width).floats
        func effect(_ tensor: Tensor, where isMeant: (Float) -> Bool) -> Double {
            let changes = (tensor - base).floats.enumerated().filter { isMeant(shares[$0.offset % (height * width)]) }
            return changes.reduce(0) { $0 + Double(abs($1.element)) }
        }
        let band: (Float) -> Bool = { $0 > 0.05 && $0 < 0.95 }
        #expect(shares.contains(where: band) && shares.contains(0))
        #expect(effect(locked, where: band) > 0.8 * effect(free, where: band))
        #expect(effect(locked) { $0 == 0 } == 0 && effect(free) { $0 == 0 } > 0)
    }

    @Test func `an edge is softened equally far in both directions of the picture`() throws {
        let region = StackRegion(box: [0.4, 0.4, 0.6, 0.6], feather: 0.1)
        let mask = try #require(try region.regionMask("x"))
        /// How far the mask reaches beyond the box, as shares of a width of 2 and a height of 1.
        func reach(_ mask: RegionMask, across: Double, down: Double) -> (across: Double, down: Double) {
            let side = 128
            let inside = mask.values.floats.enumerated().filter { $0.element > 0 }.map(\.offset)
            let columns = inside.map { $0 % side }
            let rows = inside.map { $0 / side }
            func length(_ places: [Int]) -> Double {
                Double((places.max() ?? 0) - (places.min() ?? 0) + 1) / Double(side)
            }
            return ((length(columns) - 0.2) / 2 * across, (length(rows) - 0.2) / 2 * down)
        }
        let square = reach(mask, across: 1, down: 1)
        #expect(abs(square.across - 0.2) < 0.02 && square.across == square.down)
        let wide = reach(mask.softened(width: 256, height: 128), across: 2, down: 1)
        #expect(abs(wide.across - 0.2) < 0.03 && abs(wide.down - 0.2) < 0.02, "\(wide)")
        // The run does it for its own size.
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        var use = try AdapterUse(path: Self.slider, weight: 1)
        use.region = region
        let run = try Denoising(
            GenerationRequest(prompt: "a cat", steps: 2, width: 128, height: 64, sampler: "euler"), model: model,
            pass: Pass(adaptation: model.adapters([use])))
        let drawn = reach(try #require(run.adapterRegion), across: 2, down: 1)
        #expect(drawn == wide)
    }

    @Test func `a mask without white is refused`() throws {
        try inFolder("") { path in
            let mask = URL(filePath: path).deletingLastPathComponent().appending(path: "black.png").path
            try writeImage(Image(width: 8, height: 8, pixels: [UInt8](repeating: 0, count: 3 * 64)), to: mask)
            let region = StackRegion(mask: try PictureRecipe.InputFile(path: mask))
            let error = #expect(throws: GenerationError.self) { try region.regionMask("x") }
            #expect(error?.description.contains("x: region mask: expected something of the picture inside") == true)
        }
    }

    @Test func `feathers soften an edge and keep its middle`() throws {
        let sharp = try #require(try StackRegion(box: [0, 0, 0.5, 1]).regionMask("x")?.values)
        let soft = try #require(try StackRegion(box: [0, 0, 0.5, 1], feather: 0.1).regionMask("x")?.values)
        func row(_ mask: Tensor) -> [Float] { mask.selected(0, 64).floats }
        #expect(Set(row(sharp)) == [0, 1])
        #expect(row(soft)[0] == 1 && row(soft)[127] == 0 && abs(row(soft)[63] + row(soft)[64] - 1) < 1e-4)
        #expect(zip(row(soft), row(soft).dropFirst()).allSatisfy { $0 >= $1 })
    }
}

@Suite struct SweepTests {
    private let request = GenerationRequest(prompt: "an old cat", width: 32, height: 32)
    private let slider = Fixtures.path("adapters/slider-bf16.pt")

    @Test func `ranges and lists give values with labels`() throws {
        let axis = try SweepAxis("slider:age=-2:2:5")
        #expect(axis.values == ["-2", "-1", "0", "1", "2"] && axis.label(0) == "age -2")
        #expect(try SweepAxis("seed=1,2,3").values == ["1", "2", "3"])
        #expect(try SweepAxis("cfg=1:2:3").values == ["1", "1.5", "2"])
        #expect(try SweepAxis("prompt=old|young|").values == ["old", "young", ""])
        #expect(try SweepAxis("sampler=euler,ddim").label(1) == "sampler ddim")
    }

    @Test(arguments: [
        "seed", "hue=1,2", "slider=1,2", "seed:x=1", "seed=a,b", "slider:age=1:2:1", "slider:=1", "prompt=|a",
        "cfg=1:2:999",
    ])
    func `what is no axis is refused`(_ text: String) {
        #expect(throws: GenerationError.self) { try SweepAxis(text) }
    }

    @Test func `a place of the grid changes what its axes name`() throws {
        let axes = try [
            "start:\(slider)=0.5,1", "slider:\(slider)=-1,2", "seed=7,9", "prompt=old|young",
        ].map { try SweepAxis($0) }
        let cell = try SweepCell(axes, at: [0, 1, 1, 1], from: request, resolve: { $0 }) { Composition(prompt: $0) }
        #expect(cell.request.seed == 9 && cell.request.prompt == "an young cat")
        #expect(cell.adapters.count == 1 && cell.adapters[0].weight == 2)
        #expect(cell.adapters[0].schedule == StackSchedule(start: 0.5))
        #expect(cell.values == ["0.5", "2", "9", "young"])
        #expect(throws: GenerationError.self) {
            try SweepCell([SweepAxis("prompt=dog|cat")], at: [1], from: request, resolve: { $0 }) {
                Composition(prompt: $0)
            }
        }
        #expect(throws: GenerationError.self) {
            try SweepCell([SweepAxis("steps=1.5")], at: [0], from: request, resolve: { $0 }) {
                Composition(prompt: $0)
            }
        }
    }

    @Test func `axes that meet in one adapter are refused`() throws {
        let use = try AdapterUse(path: slider, weight: 1)
        let axes = try ["slider:slider-bf16=1", "slider:\(slider)=2"].map { try SweepAxis($0) }
        // The name's own file is another one than that of the option which has its name.
        let error = #expect(throws: GenerationError.self) {
            try SweepCell(
                axes, at: [0, 0], from: request,
                resolve: { $0.hasPrefix("/") ? $0 : Fixtures.path("adapters/slider-f16.pt") }
            ) { Composition(prompt: $0, adapters: [use]) }
        }
        #expect(error?.description.contains("slider that no other axis moves") == true)
    }

    @Test func `an axis of a slider that a stack has twice is refused`() throws {
        let uses = try [1, 0.5].map { try AdapterUse(path: slider, weight: $0) }
        let error = #expect(throws: GenerationError.self) {
            try SweepCell([SweepAxis("slider:\(slider)=0")], at: [0], from: request, resolve: { $0 }) {
                Composition(prompt: $0, adapters: uses)
            }
        }
        #expect(error?.description.contains("one entry of that slider in the stack, found 2") == true)
    }

    @Test func `one slider by two names is one axis`() throws {
        func check(_ axes: String...) throws {
            try SweepAxis.checkDistinct(axes.map { try SweepAxis($0) }) {
                $0.hasPrefix("/") ? $0 : "/sliders/" + ($0.hasSuffix(".pt") ? $0 : $0 + ".pt")
            }
        }
        try check("slider:age=1,2", "start:age=0.5,1", "slider:smile=0,1", "prompt=a|b", "prompt=c|d")
        for other in ["age", "age.pt", "/sliders/age.pt", "/sliders/./age.pt"] {
            let error = #expect(throws: GenerationError.self) { try check("slider:age=1,2", "slider:\(other)=0") }
            #expect(
                error?.description.contains("slider twice: age and \(other)") == true, "\(error?.description ?? "")")
        }
        #expect(throws: GenerationError.self) { try check("seed=1,2", "seed=3") }
        try check("slider:age=1,2", "prompt=a|a <lora:smile:1>", "start:age=0.5,1")
        let error = #expect(throws: GenerationError.self) {
            try check("slider:age=1,2", "prompt=a|a <lora:age.pt:1>")
        }
        #expect(error?.description.contains("slider:age beside a prompt axis") == true)
    }
}
