import Foundation
import Imaging
import TensorCore
import TestSupport
import Testing

/// `train pair`, `generate --style`, `stylize` and `batch` as users call them.
@Suite(.serialized) struct StyleCommandTests {
    private static let model = Fixtures.path("tiny-sd")
    private let program = CommandLineTests()

    private func writePicture(_ path: String, seed: UInt64) throws {
        var random = TorchGenerator(seed: seed)
        try writeImage((random.uniform([1, 3, 32, 32]) * 2 - 1).images()[0], to: path)
    }

    /// A style of a few steps.
    private func train(_ folder: URL, _ more: [String] = []) throws -> CommandLineTests.Outcome {
        for (seed, name) in ["content", "style"].enumerated() {
            try writePicture(folder.appending(path: name + ".png").path, seed: UInt64(seed))
        }
        try Data(
            """
            name: ink
            model: \(Self.model)
            phrase: in ink style
            pairs: [{content: content.png, style: style.png, prompt: a sbu cat}]
            network: {content_rank: 2, style_rank: 2}
            training:
              steps: 4
              style_from: 1
              resolution: 32
              optimizer: {learning_rate: 0.05, warmup_steps: 0, weight_decay: 0, beta2: 0.99, clip_norm: 1, ema_decay: 0}
              sample_prompts: []
              samples_every: 100
              checkpoint_every: 2
            """.utf8
        ).write(to: folder.appending(path: "ink.yaml"))
        return try program.run(
            ["train", "pair", folder.appending(path: "ink.yaml").path, "-o", folder.appending(path: "t").path] + more)
    }

    @Test func `a style is learnt, guides, restyles and verifies`() throws {
        try inTemporaryFolder { folder in
            var run = try train(folder)
            #expect(run.code == 0, "\(run.errors)")
            let style = folder.appending(path: "t/ink.safetensors").path
            #expect(run.output == style + "\n")
            let base = ["-m", Self.model, "-p", "a cat", "--steps", "3", "-W", "32", "-H", "32", "-s", "3"]
            func draw(_ name: String, _ more: [String]) throws -> [UInt8] {
                let path = folder.appending(path: name).path
                let run = try program.run(["generate"] + base + more + ["-o", path])
                #expect(run.code == 0, "\(run.errors)")
                return try readImage(at: path).image.pixels
            }
            let plain = try draw("plain.png", [])
            #expect(try draw("zero.png", ["--style", "\(style)=0"]) == plain)
            #expect(try draw("late.png", ["--style", "\(style)=3@0"]) == plain)
            #expect(try draw("ink.png", ["--style", "\(style)=5@1,in ink style"]) != plain)
            #expect(try draw("old.png", ["--direction", "an old cat|a young cat=2"]) != plain)
            run = try program.run(["verify", folder.appending(path: "ink.png").path])
            #expect(run.code == 0 && run.output.contains("identical"), "\(run.errors)")
            // The pair's content draws nothing.
            run = try program.run(
                ["generate"] + base + [
                    "--style", folder.appending(path: "t/ink-content-0.safetensors").path, "-o",
                    folder.appending(path: "c.png").path,
                ])
            #expect(run.code == 1 && run.errors.contains("expected a style"))

            let photos = folder.appending(path: "photos")
            try FileManager.default.createDirectory(at: photos, withIntermediateDirectories: true)
            for name in ["a", "b"] { try writePicture(photos.appending(path: name + ".png").path, seed: 9) }
            try Data("no picture".utf8).write(to: photos.appending(path: "c.png"))
            let out = folder.appending(path: "out").path
            let restyle = [
                "stylize", photos.path, "-m", Self.model, "--style", "\(style)=4", "--steps", "4", "-W", "32", "-H",
                "32", "-o", out,
            ]
            run = try program.run(restyle)
            #expect(run.code == 1 && run.errors.contains("c.png") && run.errors.split(separator: "\n").count == 1)
            run = try program.run(["stylize", photos.path + "/a.png", "--style", style, "-o", photos.path])
            #expect(run.code == 2 && run.errors.contains("expected another folder"))
            let sheet = folder.appending(path: "sheet.png").path
            run = try program.run(restyle + ["--keep-going", "--sheet", sheet, "--method", "sdedit"])
            #expect(run.code == 1 && run.errors.contains("c.png"), "\(run.errors)")
            #expect(try readImage(at: sheet).image.width > 3 * 192)
            #expect(try FileManager.default.contentsOfDirectory(atPath: out).sorted() == ["a.png", "b.png"])
            run = try program.run(["verify", out + "/a.png"])
            #expect(run.code == 0 && run.output.contains("identical"), "\(run.errors)")
        }
    }

    @Test func `the baseline has a name of its own`() throws {
        try inTemporaryFolder { folder in
            let run = try train(folder, ["--baseline"])
            #expect(run.code == 0 && run.output.contains("ink-dreambooth.safetensors"), "\(run.errors)")
        }
    }

    @Test func `a pair of other proportions is stretched, and said so`() throws {
        try inTemporaryFolder { folder in
            #expect(try !train(folder).errors.contains("stretched"))
            var random = TorchGenerator(seed: 5)
            let content = folder.appending(path: "content.png").path
            try writeImage((random.uniform([1, 3, 32, 48]) * 2 - 1).images()[0], to: content)
            let recipe = folder.appending(path: "ink.yaml").path
            func words(_ more: [String], _ name: String) throws -> [String] {
                let run = try program.run(
                    ["train", "pair", recipe, "-o", folder.appending(path: name).path] + more)
                #expect(run.code == 0, "\(run.errors)")
                return run.errors.split(separator: "\n").filter { $0.contains("stretched") }.map(String.init)
            }
            #expect(
                try words([], "wide") == [
                    "atelier: \(content): 48x32 pixels are stretched to the proportions of "
                        + "\(folder.appending(path: "style.png").path), 32x32, as both are cut out at one place"
                ])
            // The baseline learns from the style picture alone.
            #expect(try words(["--baseline"], "base").isEmpty)
        }
    }

    @Test func `two pictures of one name are told of, and the first is drawn where one keeps going`() throws {
        try inTemporaryFolder { folder in
            let photos = folder.appending(path: "photos")
            try FileManager.default.createDirectory(at: photos, withIntermediateDirectories: true)
            try writePicture(photos.appending(path: "a.jpg").path, seed: 1)
            try writePicture(photos.appending(path: "a.png").path, seed: 2)
            let restyle = [
                "stylize", photos.path, "-m", Self.model, "--direction", "an old cat|a young cat=1", "--steps", "2",
                "-W", "32", "-H", "32", "-o", folder.appending(path: "out").path,
            ]
            let complaint = "\(photos.path)/a.png: expected a name of its own, found that of \(photos.path)/a.jpg"
            var run = try program.run(restyle)
            #expect(run.code == 2 && run.errors == "atelier: \(complaint)\n", "\(run.errors)")
            run = try program.run(restyle + ["--keep-going"])
            #expect(run.code == 1 && run.errors.contains(complaint), "\(run.errors)")
            #expect(run.output == folder.appending(path: "out/a.png").path + "\n")
        }
    }

    @Test func `wrong use is one sentence`() throws {
        let draw = ["generate", "-m", Self.model, "-p", "a cat", "-o", "/tmp/x.png"]
        let restyle = ["stylize", "-m", Self.model, "-o", "/tmp/atelier-nowhere"]
        let measure = ["eval", "style", "nothing", "-m", Self.model, "-o", "/tmp/atelier-nowhere"]
        for (arguments, code, words) in [
            (draw + ["--style", "ink=nan"], 2, "expected NAME, NAME=1,"),
            (draw + ["--style", "age"], 1, "--slider age"),
            (draw + ["--slider", "age=inf"], 2, "expected NAME, NAME=1.5"),
            (measure + ["--truth", "plain"], 2, "--truth: expected a style that plain pictures lack"),
            (
                measure + ["--truth", "ink", "--edits", "0.5", "0.1", "--steps", "4"], 2,
                "--edits: expected at least one of 4"
            ),
            (measure + ["--truth", "ink", "--edits", "0.5"], 1, "nothing.safetensors"),
            (
                ["batch", "a.yaml", "-o", "/tmp/atelier-nowhere", "--shards", "3"], 2,
                "--shards: expected --engine slurm"
            ),
            (
                ["batch", "a.yaml", "-o", "/tmp/atelier-nowhere", "--at-once", "3"], 2,
                "--at-once: expected --engine slurm"
            ),
            (
                ["batch", "a.yaml", "-o", "/tmp/atelier-nowhere", "--slurm=--time=3"], 2,
                "--slurm: expected --engine slurm"
            ),
            (draw + ["--style", "=3"], 2, "--style"), (draw + ["--style", "a=3@2"], 2, "--style"),
            (draw + ["--direction", "old"], 2, "--direction"), (draw + ["--direction", "a|a=1"], 2, "--direction"),
            (draw + ["--style", "nothing=3"], 1, "nothing"), (draw + ["--direction", "a|b=5000"], 2, "strength"),
            (restyle + ["/nothing.png", "--style", "a"], 2, "/nothing.png"),
            (restyle + ["--style", "a"], 2, "expected pictures"), (restyle + ["-p", "a"], 2, "--style"),
            (["batch", "/nothing.yaml", "-o", "/tmp/atelier-nowhere"], 1, "/nothing.yaml"),
            (["train", "pair", "/nothing.yaml", "-o", "/tmp/atelier-nowhere"], 1, "/nothing.yaml"),
        ] as [([String], Int32, String)] {
            let run = try program.run(arguments)
            #expect(run.code == code && run.errors.contains(words), "\(arguments): \(run.errors)")
            #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)")
        }
        try? FileManager.default.removeItem(atPath: "/tmp/atelier-nowhere")
    }

    // MARK: batch

    private func jobs(_ folder: URL, count: Int) throws -> String {
        let path = folder.appending(path: "jobs.yaml")
        try Data(
            """
            model: \(Self.model)
            template: {steps: 6, width: 64, height: 64, sampler: euler}
            matrix: {prompt: [a cat, a dog], seed: [\((0..<count / 2).map(String.init).joined(separator: ", "))]}
            """.utf8
        ).write(to: path)
        return path.path
    }

    private func pictures(_ folder: URL) throws -> [String: Data] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        return Dictionary(
            uniqueKeysWithValues: try names.filter { !$0.hasPrefix("journal") && !$0.hasPrefix("report") }.map {
                ($0, try Data(contentsOf: folder.appending(path: $0)))
            })
    }

    @Test func `a batch that is killed again and again ends in the same files`() throws {
        try inTemporaryFolder { folder in
            let list = try jobs(folder, count: 24)
            let (whole, killed) = (folder.appending(path: "whole"), folder.appending(path: "killed"))
            var run = try program.run(["batch", list, "-o", whole.path])
            #expect(run.code == 0 && run.output == "24 made, 0 done before, 0 failed\n", "\(run.errors)")
            // The first kills come when they like, the others after a picture or two more.
            func made() -> Int { CommandLineTests.count(of: ".png", in: killed) }
            var found: [Int] = []
            for round in 0..<10 {
                let wanted = made() + Int.random(in: 1...2)
                let seconds = Double.random(in: round < 3 ? 0.05...0.6 : 0...0.1)
                // On more threads more would be done at once.
                _ = try program.runAndKill(["batch", list, "-o", killed.path, "-t", "2"], seconds: seconds) {
                    round < 3 || made() >= wanted
                }
                found.append(made())
            }
            #expect(found.contains { 0 < $0 && $0 < 24 }, "no kill found some of the pictures: \(found)")
            run = try program.run(["batch", list, "-o", killed.path])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try pictures(killed) == pictures(whole))
            // Each picture was made once.
            let journal = try String(contentsOf: killed.appending(path: "journal.jsonl"), encoding: .utf8)
            #expect(journal.split(separator: "\n").count == 24)
            run = try program.run(["batch", list, "-o", killed.path])
            #expect(run.output == "0 made, 24 done before, 0 failed\n")
        }
    }

    @Test func `a sweep of trainings goes on after a kill`() throws {
        try inTemporaryFolder { folder in
            // Leaves the recipe and its pictures.
            #expect(try train(folder).code == 0)
            let text = try String(contentsOf: folder.appending(path: "ink.yaml"), encoding: .utf8)
            for rate in ["0.02", "0.1"] {
                let other = text.replacing("learning_rate: 0.05", with: "learning_rate: \(rate)")
                try Data(other.utf8).write(to: folder.appending(path: "r\(rate).yaml"))
            }
            let list = folder.appending(path: "jobs.yaml")
            try Data("template: {train: pair}\nmatrix: {recipe: [ink.yaml, r0.02.yaml, r0.1.yaml]}\n".utf8).write(
                to: list)
            let out = folder.appending(path: "out")
            // Killed once there is an adapter; on one thread they come one after the other.
            func made() -> Int { CommandLineTests.count(of: ".safetensors", in: out) }
            let wasKilled = try program.runAndKill(["batch", list.path, "-o", out.path, "-t", "1"], seconds: 0) {
                made() > 0
            }
            let found = made()
            #expect(wasKilled && 0 < found && found < 3, "\(found)")
            let run = try program.run(["batch", list.path, "-o", out.path])
            #expect(run.code == 0, "\(run.errors)")
            #expect(run.output == "\(3 - found) made, \(found) done before, 0 failed\n")
            let files = try (0..<3).map { try Data(contentsOf: out.appending(path: "0000\($0).safetensors")) }
            #expect(Set(files).count == 3)
            // The first is what the command for one training writes.
            #expect(try files[0] == Data(contentsOf: folder.appending(path: "t/ink.safetensors")))
            #expect(
                try program.run(["batch", list.path, "-o", out.path]).output == "0 made, 3 done before, 0 failed\n")
        }
    }

    @Test func `shards make the whole, and a bad job does not stop the others when told so`() throws {
        try inTemporaryFolder { folder in
            let list = try jobs(folder, count: 6)
            let (whole, parts) = (folder.appending(path: "whole"), folder.appending(path: "parts"))
            #expect(try program.run(["batch", list, "-o", whole.path]).code == 0)
            for shard in ["1/2", "2/2"] {
                let run = try program.run(["batch", list, "-o", parts.path, "--shard", shard])
                #expect(run.output == "3 made, 0 done before, 0 failed\n", "\(run.errors)")
            }
            #expect(try pictures(parts) == pictures(whole))
            let lines = folder.appending(path: "bad.jsonl")
            try Data(
                """
                {"model": "\(Self.model)", "template": {"steps": 2, "width": 32, "height": 32}}
                {"prompt": "a"}
                {"prompt": "b", "input": "missing.png", "sampler": "ddim"}
                {"prompt": "c", "output": "c.jpg"}
                """.utf8
            ).write(to: lines)
            let out = folder.appending(path: "bad")
            var run = try program.run(["batch", lines.path, "-o", out.path, "--keep-going"])
            #expect(
                run.code == 1 && run.output == "2 made, 0 done before, 1 failed\n" && run.errors.contains("missing.png")
            )
            #expect(try pictures(out).keys.sorted() == ["00000.png", "c.jpg"])
            run = try program.run(["batch", lines.path, "-o", out.path])
            #expect(run.code == 1 && run.errors.contains("missing.png"))
            run = try program.run(["batch", list, "-o", out.path, "--shard", "3/2"])
            #expect(run.code == 2)
            run = try program.run(["batch", list, "-o", out.path, "--dry-run"])
            #expect(run.code == 0 && run.output.split(separator: "\n").count == 6)
        }
    }
}
