import Foundation
import Imaging
import TensorCore
import TestSupport
import Testing
import Weights

/// `edit` and `pairs` as users call them.
@Suite(.serialized) struct EditCommandTests {
    private static let model = Fixtures.path("tiny-sd")
    private static let slider = Fixtures.path("adapters/slider-bf16.pt")
    private let program = CommandLineTests()

    private func writePicture(_ path: String, seed: UInt64, width: Int = 32) throws {
        var random = TorchGenerator(seed: seed)
        try writeImage((random.uniform([1, 3, 32, width]) * 2 - 1).images()[0], to: path)
    }

    @Test func `pictures are edited, each into its own file, and made again from their recipes`() throws {
        try inTemporaryFolder { folder in
            func path(_ name: String) -> String { folder.appending(path: name).path }
            try writePicture(path("a.png"), seed: 1)
            try writePicture(path("b.png"), seed: 2, width: 48)
            let base = [
                "edit", "-m", Self.model, "--steps", "4", "--tuning", "2", "-W", "32", "-H", "32", "-p", "a cat",
                "--cache",
                path("cache"),
            ]
            var run = try program.run(
                base + [
                    "-i", path("a.png"), "-i", path("b.png"), "--slider", "\(Self.slider)=1", "--guidance", "3", "-o",
                    path("e-%02d.png"), "--sheet", path("sheet.png"),
                ])
            #expect(run.code == 0, "\(run.errors)")
            #expect(
                run.output.split(separator: "\n").map { String($0) } == ["e-00.png", "e-01.png", "sheet.png"].map(path))
            #expect(try readImage(at: path("sheet.png")).image.width > 3 * 128)
            #expect(try FileManager.default.contentsOfDirectory(atPath: path("cache")).count == 2)
            let one = try readImage(at: path("e-00.png"))
            // 0.7 of four steps are three; the slider begins where they do.
            #expect(one.metadata["atelier"]?.contains("\"strength\":0.75") == true)
            #expect(one.metadata["atelier"]?.contains("\"schedule\":{\"start\":0.7}") == true)
            #expect(try readImage(at: path("e-01.png")).image.pixels != one.image.pixels)
            // Another edit of the same picture keeps its inversion; without the slider there is none to draw.
            run = try program.run(
                base + ["-i", path("a.png"), "--slider", "\(Self.slider)=-1", "--cfg-scale", "3", "-o", path("m.png")])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: path("cache")).count == 2)
            #expect(try readImage(at: path("m.png")).image.pixels != one.image.pixels)
            for (command, more) in [("verify", []), ("rerun", ["-o", path("again.png")])] {
                run = try program.run([command, path("e-00.png")] + more)
                #expect(run.code == 0, "\(run.errors)")
            }
            #expect(try readImage(at: path("again.png")).image == one.image)
            try FileManager.default.moveItem(atPath: path("a.png"), toPath: path("moved.png"))
            run = try program.run(["rerun", path("e-00.png"), "-o", path("again.png")])
            #expect(run.code == 1 && run.errors.contains("a.png (gone)"), "\(run.errors)")
        }
    }

    @Test func `wrong use of edit is one sentence`() throws {
        try inTemporaryFolder { folder in
            let picture = folder.appending(path: "a.png").path
            try writePicture(picture, seed: 1)
            let out = folder.appending(path: "o.png").path
            let base = ["edit", "-m", Self.model, "-i", picture, "--cache", folder.appending(path: "c").path]
            let slider = ["--slider", Self.slider]
            for (arguments, code, words) in [
                (base + ["-o", out], 2, "--slider"), (base + slider + ["-o", picture], 2, "no picture to edit"),
                (base + slider + ["-i", picture, "-o", out], 2, "%03d"),
                (base + slider + ["-i", picture, "-i", picture, "-o", out, "-o", out], 2, "expected one, or 3"),
                (base + slider + ["--start", "1.5", "-o", out], 2, "--start"),
                (base + slider + ["--strength", "0", "-o", out], 2, "--strength"),
                (base + slider + ["--tuning", "-1", "-o", out], 2, "--tuning"),
                (base + slider + ["-o", out, "--sheet", out], 2, "no other output"),
                (["edit", "-m", Self.model, "-i", "/nothing.png", "-o", out] + slider, 1, "/nothing.png"),
            ] as [([String], Int32, String)] {
                let run = try program.run(arguments)
                #expect(run.code == code && run.errors.contains(words), "\(arguments): \(run.errors)")
                #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)")
            }
            #expect(!FileManager.default.fileExists(atPath: out))
        }
    }

    @Test func `pairs of the world, of a generator and of folders`() throws {
        try inTemporaryFolder { folder in
            func path(_ name: String) -> String { folder.appending(path: name).path }
            func files(_ name: String) throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: path(name)).sorted()
            }
            var run = try program.run([
                "pairs", "world", "--attribute", "eye_size", "-a", "hair_color=red", "--count", "2", "--size", "32",
                "-o",
                path("eyes"),
            ])
            #expect(run.code == 0 && run.output.hasSuffix("eye-size.yaml\n"), "\(run.errors)")
            #expect(try files("eyes") == ["eye-size.yaml", "high", "low"])
            #expect(try files("eyes/high") == ["00000.png", "00001.png"])
            run = try program.run([
                "pairs", "folders", "--level", path("eyes/low") + "=-1", "--level", path("eyes/high") + "=1", "--size",
                "16", "--name", "eyes", "-o", path("copy"),
            ])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try readImage(at: path("copy/low/00001.png")).image.width == 16)
            try FileManager.default.removeItem(atPath: path("eyes/low/00001.png"))
            let folders = [
                "pairs", "folders", "--level", path("eyes/low") + "=-1", "--level", path("eyes/high") + "=1", "-o",
                path("some"),
            ]
            run = try program.run(folders)
            #expect(
                run.code == 1 && run.errors.contains("00001: in") && run.errors.contains("--matching"), "\(run.errors)")
            #expect(try program.run(folders + ["--matching"]).code == 0)
            #expect(try files("some/low") == ["00000.png"])
            let generator = ["pairs", "stylegan", "-g", Fixtures.path("tiny-stylegan2/generator.safetensors")]
            run = try program.run(
                generator + ["--channel", "b8.conv1:2", "--count", "2", "--size", "32", "-o", path("channel")])
            #expect(run.code == 0 && run.output.hasSuffix("b8.conv1-2.yaml\n"), "\(run.errors)")
            #expect(
                try readImage(at: path("channel/low/00000.png")).image
                    != readImage(at: path("channel/high/00000.png")).image)
            try writeSafetensors(["d": .ones([8])], to: path("age.safetensors"))
            run = try program.run(
                generator + [
                    "--direction", path("age.safetensors"), "--scales=-2,-1,1,2", "--count", "1", "-o", path("age"),
                ])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try files("age") == ["age.yaml", "high", "low", "veryhigh", "verylow"])
            run = try program.run(generator + ["--list-channels", "-o", path("none")])
            #expect(run.code == 0 && run.output.contains("b16.torgb: 6\n"), "\(run.errors)")
            for (arguments, code, words) in [
                (generator + ["-o", path("x")], 2, "neither"),
                (generator + ["--channel", "b8.conv1", "-o", path("x")], 2, "LAYER:NUMBER"),
                (generator + ["--channel", "b8.conv1:9", "-o", path("x")], 1, "0 to 7"),
                (generator + ["--direction", path("eyes/high/00000.png"), "-o", path("x")], 1, "00000.png"),
                (["pairs", "world", "--attribute", "wings", "-o", path("x")], 2, "wings"),
                (["pairs", "world", "--attribute", "age", "--scales", "1,2", "-o", path("x")], 2, "--scales"),
                (["pairs", "world", "--attribute", "age", "-o", ""], 2, "--output"),
            ] as [([String], Int32, String)] {
                let run = try program.run(arguments)
                #expect(run.code == code && run.errors.contains(words), "\(arguments): \(run.errors)")
            }
            #expect(!FileManager.default.fileExists(atPath: path("x")))
        }
    }
}
