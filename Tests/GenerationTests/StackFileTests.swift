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
        let folder = FileManager.default.temporaryDirectory.appending(path: "stack-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "a.stack.yaml").path
        try Data(yaml.utf8).write(to: URL(filePath: path))
        try body(path)
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
            return denoising.picture()
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
        let cell = try SweepCell(axes, at: [0, 1, 1, 1], from: request, []) { $0 }
        #expect(cell.request.seed == 9 && cell.request.prompt == "an young cat")
        #expect(cell.adapters.count == 1 && cell.adapters[0].weight == 2)
        #expect(cell.adapters[0].schedule == StackSchedule(start: 0.5))
        #expect(cell.values == ["0.5", "2", "9", "young"])
        #expect(throws: GenerationError.self) {
            try SweepCell([SweepAxis("prompt=dog|cat")], at: [1], from: request, []) { $0 }
        }
        #expect(throws: GenerationError.self) {
            try SweepCell([SweepAxis("steps=1.5")], at: [0], from: request, []) { $0 }
        }
    }
}
