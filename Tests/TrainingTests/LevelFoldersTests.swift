import DiffusionModels
import Foundation
import Generation
import Imaging
import Recipes
import TensorCore
import TestSupport
import Testing
import Weights
import World

@testable import Training

/// Picture pairs for visual sliders: what is written, that a training reads it, and what is refused.
@Suite struct LevelFoldersTests {
    @Test func `folders and recipe are what a training of visual sliders reads`() throws {
        try inTemporaryFolder { folder in
            let levels = try LevelFolders(in: folder, scales: [2, -2, 1, -1])
            #expect(levels.levels.map(\.name) == ["verylow", "low", "high", "veryhigh"])
            let world = try WorldLevels(
                "hair_length", scales: levels.levels.map(\.scale), fixed: [("hair_color", "red")], count: 2, seed: 5,
                size: 32)
            #expect(world.values.compactMap(Double.init) == [0, 0.25, 0.75, 1])
            try levels.prepare(for: ["a", "b"])
            for (index, name) in ["a", "b"].enumerated() { try levels.write(name, world.pictures(index)) }
            let file = try levels.writeRecipe(
                name: "hair", model: "mini", origin: "Two\nscenes.", positive: "a \"woman\": long hair")
            let recipe = try decodeRecipe(SliderRecipe.self, at: file.path)
            try recipe.validate()
            #expect(recipe.name == "hair" && recipe.pairs?.positive == "a \"woman\": long hair")
            #expect(recipe.pairs?.levels?.map(\.scale) == [-2, -1, 1, 2] && recipe.pairs?.objective == .difference)
            // What text sliders alone need is not in it, and is missed in theirs.
            #expect(recipe.training.runs == nil && recipe.training.directions == nil)
            var text = recipe
            (text.pairs, text.prompts) = (nil, [SliderPrompt(target: "a", positive: "b", opposite: "c")])
            let missing = #expect(throws: TrainingError.self) { try text.validate() }
            #expect(missing?.description.contains("training.runs") == true)
            let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
            var pairs = try #require(recipe.pairs)
            pairs.resolution = 32
            let objective = try VisualSliderObjective(pairs, model: model, folder: folder)
            #expect(objective.pairs.map(\.scale) == [1, 1, 2, 2])
            #expect(maximumDifference(objective.pairs[0].high, objective.pairs[0].low) > 0)
            // The recipe may name the scenes instead of their files.
            pairs.levels = nil
            pairs.world = .init(
                attribute: "hair_length", scales: [-2, -1, 1, 2], count: 2, seed: 5, attributes: "hair_color=red")
            let rendered = try VisualSliderObjective(pairs, model: model, folder: nil)
            #expect(rendered.pairs.map(\.scale) == objective.pairs.map(\.scale))
            for (one, other) in zip(rendered.pairs, objective.pairs) {
                #expect(isBitEqual(one.high, other.high) && isBitEqual(one.low, other.low))
            }
            pairs.world?.attribute = "hair_lenght"
            #expect(throws: SceneAttributeError.self) {
                try VisualSliderObjective(pairs, model: model, folder: nil)
            }
            // The same names may be written again, others are not mixed with them.
            try levels.prepare(for: ["a", "b", "c"])
            let error = #expect(throws: GenerationError.self) { try levels.prepare(for: ["a"]) }
            #expect(error?.description.contains("b.png") == true)
        }
    }

    @Test func `scenes differ in nothing but the attribute`() throws {
        let world = try WorldLevels(
            "hat=none,beanie", scales: [-1, 1], fixed: [("family", "portrait")], count: 3, seed: 1, size: 64)
        for index in 0..<3 {
            let pictures = try world.pictures(index)
            #expect(pictures[0] != pictures[1])
            // A hat changes nothing in the lower quarter but what hair it hides.
            let rows = 48 * 64 * 3
            let changed = zip(pictures[0].pixels[rows...], pictures[1].pixels[rows...]).count { $0 != $1 }
            #expect(changed < rows / 8, "\(changed)")
        }
        let same = try WorldLevels(
            "hat=none,none", scales: [-1, 1], fixed: [("family", "portrait")], count: 1, seed: 1, size: 64)
        let pictures = try same.pictures(0)
        #expect(pictures[0] == pictures[1])
    }

    @Test func `attributes that the world has not are refused`() {
        for (attribute, fixed, words) in [
            ("wings", [], "wings"), ("age=0,2", [], "age"), ("hat", [], "hat"), ("age=0,0.5,1", [], "2 values"),
            ("age", [("weather", "rain")], "weather"), ("age", [("family", "landscape")], "one of hour_of_day"),
        ] as [(String, [(name: String, value: String)], String)] {
            let error = #expect(throws: (any Error).self) {
                try WorldLevels(attribute, scales: [-1, 1], fixed: fixed, count: 1, seed: 0)
            }
            #expect(error.map { "\($0)".contains(words) } == true, "\(String(describing: error))")
        }
        for scales in [[], [1], [1, -2], [0, 0], [1, -1, 1]] as [[Double]] {
            #expect(throws: GenerationError.self) {
                try LevelFolders(in: URL(filePath: "/nowhere"), scales: scales)
            }
        }
        for name in ["", "a/b", ".a", "a b"] {
            #expect(throws: GenerationError.self) { try LevelFolders.checkName(name) }
        }
    }

    @Test func `a channel and a direction move the generator's pictures, each by its level`() throws {
        let (model, _) = try StyleGAN2.load(path: Fixtures.path("tiny-stylegan2/generator.safetensors"))
        func levels(
            _ change: StyleGANLevels.Change, _ amounts: [Double] = [-1, 0, 1], noise: StyleGANLevels.Noise = .constant,
            label: Int? = nil
        ) throws -> StyleGANLevels {
            try StyleGANLevels(
                model, change, amounts: amounts, truncation: StyleTruncation(psi: 0.7), noise: noise, seed: 3,
                label: label)
        }
        let channel = StyleGANLevels.Change.channel(layer: "b8.conv1", channel: 2)
        let pictures = try levels(channel).pictures(0)
        #expect(Set(pictures.map(\.pixels)).count == 3)
        #expect(try levels(channel).pictures(0) == pictures)
        #expect(try levels(channel).pictures(1)[1] != pictures[1])
        #expect(try levels(channel, label: 1).pictures(0)[1] != pictures[1])
        // Random noise is one for all levels.
        let noisy = try levels(channel, [0, 0], noise: .random).pictures(0)
        #expect(noisy[0] == noisy[1] && noisy[0] != pictures[1])
        var random = TorchGenerator(seed: 1)
        let direction = random.normal([1, 6, 8])
        let moved = try levels(.direction(direction)).pictures(0)
        #expect(moved[1] == pictures[1] && moved[2] != moved[1])
        for change in [
            .channel(layer: "b8.conv1", channel: 99), .channel(layer: "x", channel: 0), .direction(.zeros([1, 2, 8])),
        ] as [StyleGANLevels.Change] {
            #expect(throws: (any Error).self) { try levels(change) }
        }
        #expect(throws: GenerationError.self) { try levels(channel, label: 3) }
    }

    @Test func `folders are matched by names, and what does not match is listed`() throws {
        try inTemporaryFolder { folder in
            func write(_ name: String, _ width: Int, _ height: Int) throws -> String {
                let path = folder.appending(path: name)
                try FileManager.default.createDirectory(
                    at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
                try writeImage(Image(width: width, height: height), to: path)
                return path.deletingLastPathComponent().path
            }
            let young = try write("young/a.png", 40, 30)
            _ = try write("young/b.jpg", 20, 20)
            _ = try write("young/c.png", 20, 20)
            let old = try write("old/a.JPG", 24, 50)
            _ = try write("old/b.png", 20, 20)
            try Data("no picture".utf8).write(to: folder.appending(path: "old/notes.txt"))
            let matched = try MatchedFolders([young, old])
            #expect(matched.names == ["a", "b"] && matched.odd == ["c: in \(young), not in \(old)"])
            #expect(try matched.pictures("a", size: nil).map(\.width) == [24, 24])
            #expect(try matched.pictures("b", size: 16).map(\.height) == [16, 16])
            _ = try write("old/a.png", 20, 20)
            let error = #expect(throws: GenerationError.self) { try MatchedFolders([young, old]) }
            #expect(error?.description.contains("a.JPG and a.png") == true)
            #expect(throws: GenerationError.self) { try MatchedFolders([folder.path + "/nowhere"]) }
        }
    }
}
