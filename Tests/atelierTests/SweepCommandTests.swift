import Foundation
import Imaging
import TestSupport
import Testing

/// `grid`, `morph` and `world render` as users call them.
@Suite struct SweepCommandTests {
    private let program = CommandLineTests()
    private let base = ["-m", Fixtures.path("tiny-sd"), "-p", "an old cat", "--steps", "2", "-W", "32", "-H", "32"]
    private let slider = Fixtures.path("adapters/slider-bf16.pt")

    @Test func `a grid has a sheet, and an index with the recipe of every picture`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "g.png").path
            let run = try program.run(
                ["grid"] + base + ["--axis", "slider:\(slider)=-1,0,1", "--axis", "prompt=old|young", "-o", path])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try readImage(at: path).image.width > 3 * 64)
            struct Index: Decodable {
                struct Entry: Decodable {
                    struct Recipe: Decodable { let latentsHash: String }
                    let values: [String]
                    let recipe: Recipe
                }
                let pictures: [Entry]
            }
            let index = try JSONDecoder().decode(
                Index.self, from: Data(contentsOf: folder.appending(path: "g.json")))
            #expect(
                index.pictures.map(\.values)
                    == ["old", "young"].flatMap { word in ["-1", "0", "1"].map { [$0, word] } })
            #expect(Set(index.pictures.map(\.recipe.latentsHash)).count == 6)
        }
    }

    @Test func `a morph is one animated picture, or a picture a frame`() throws {
        try inTemporaryFolder { folder in
            let axis = ["--axis", "slider:\(slider)=-1:1:3"]
            let animation = folder.appending(path: "m.png").path
            var run = try program.run(["morph"] + base + axis + ["--bounce", "-o", animation])
            #expect(run.code == 0, "\(run.errors)")
            let bytes = try Data(contentsOf: URL(filePath: animation))
            // acTL with four frames: three forwards, the middle one again.
            #expect(bytes.range(of: Data("acTL".utf8 + [0, 0, 0, 4])) != nil)
            run = try program.run(["morph"] + base + axis + ["-o", folder.appending(path: "m-%02d.png").path])
            #expect(run.code == 0, "\(run.errors)")
            let frames = try (0..<3).map { try readImage(at: folder.appending(path: "m-0\($0).png").path) }
            #expect(Set(frames.map(\.image.pixels)).count == 3)
            #expect(frames[0].metadata["parameters"]?.contains("<lora:slider-bf16:-1.0>") == true)
        }
    }

    @Test func `a prompt axis names adapters as a prompt does`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "g.png").path
            try FileManager.default.copyItem(atPath: slider, toPath: folder.appending(path: "age.pt").path)
            let names = ["--lora-model-dir", folder.path]
            var arguments = base + names + ["--axis", "prompt=<lora:age:0.5>|<lora:age:1>|", "-o", path]
            arguments[arguments.firstIndex(of: "an old cat") ?? 0] = "an old cat <lora:age:0.5>"
            var run = try program.run(["grid"] + arguments)
            #expect(run.code == 0, "\(run.errors)")
            struct Index: Decodable {
                struct Entry: Decodable {
                    struct Recipe: Decodable {
                        struct Request: Decodable { let prompt: String }
                        struct Use: Decodable { let weight: Double }
                        let request: Request
                        let adapters: [Use]?
                        let latentsHash: String
                    }
                    let recipe: Recipe
                }
                let pictures: [Entry]
            }
            func pictures() throws -> [Index.Entry.Recipe] {
                try JSONDecoder().decode(Index.self, from: Data(contentsOf: folder.appending(path: "g.json")))
                    .pictures.map(\.recipe)
            }
            let tagged = try pictures()
            #expect(tagged.map(\.request.prompt) == ["an old cat", "an old cat", "an old cat "])
            #expect(tagged.map { $0.adapters?.map(\.weight) } == [[0.5], [1], nil])
            // The same pictures as from an axis of the slider's own.
            run = try program.run(["grid"] + base + names + ["--axis", "slider:age=0.5,1,0", "-o", path])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try pictures().map(\.latentsHash) == tagged.map(\.latentsHash))
            // A name that there is not is refused before anything is drawn.
            run = try program.run(
                ["grid"] + base + names
                    + ["--axis", "prompt=cat|cat <lora:nosuch:1>", "-o", folder.appending(path: "h.png").path])
            #expect(run.code == 1 && run.errors.contains("<lora:nosuch>") && !run.errors.contains("drawing"))
        }
    }

    @Test(arguments: [
        (["grid"], ["--axis", "seed=1,2", "--axis", "seed=3"], 2),
        (["morph"], ["--axis", "seed=1,2", "--axis", "steps=3"], 2),
        (
            ["grid"],
            [
                "--lora-model-dir", Fixtures.path("adapters"), "--axis", "slider:slider-bf16=1,2", "--axis",
                "slider:slider-bf16.pt=0",
            ], 2
        ),
        (["grid"], ["--axis", "seed=1,2", "--lora-model-dir", "/nowhere/loras"], 1),
        (["grid"], ["--axis", "hue=1"], 2), (["grid"], ["--axis", "slider:nothing=1,2"], 1),
        (["grid"], ["--axis", "prompt=dog|cat"], 1), (["morph"], ["--axis", "seed=1,2", "-o", "x.jpg"], 2),
    ])
    func `what cannot be drawn is refused in one sentence`(_ command: [String], _ options: [String], _ code: Int)
        throws
    {
        try inTemporaryFolder { folder in
            let output = options.contains("-o") ? [] : ["-o", folder.appending(path: "g.png").path]
            let run = try program.run(command + base + options + output)
            #expect(Int(run.code) == code && run.errors.split(separator: "\n").count == 1, "\(run.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        }
    }

    @Test func `one scene is drawn from named attributes, and what there is not is named`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "s.png").path
            var run = try program.run(
                [
                    "world", "render", "-a", "family=portrait,age=0.9,hat=beanie", "--style", "ink", "--size", "64",
                    "-o", path,
                ])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try readImage(at: path).image.width == 64)
            run = try program.run(["world", "render", "-a", "family=portrait,mood=1", "-o", path])
            #expect(run.code != 0 && run.errors.contains("mood"))
        }
    }
}
