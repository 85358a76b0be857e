import Foundation
import Imaging
import TensorCore
import TestSupport
import Testing

/// Pictures that are read are never written over, by whatever path; and what is told of a folder's other files.
@Suite(.serialized) struct OriginalsTests {
    private static let model = Fixtures.path("tiny-sd")
    private let program = CommandLineTests()
    private let style = [
        "-m", model, "--direction", "an old cat|a young cat=1", "--steps", "2", "-W", "32", "-H", "32",
    ]

    /// A folder with `in/a.png`, `in/b.png`, `lnk`, which is `in`, and a list of jobs.
    private func withPictures(_ body: (URL) throws -> Void) throws {
        try inTemporaryFolder { folder in
            let pictures = folder.appending(path: "in")
            try FileManager.default.createDirectory(at: pictures, withIntermediateDirectories: true)
            for (seed, name) in ["a.png", "b.png"].enumerated() {
                var random = TorchGenerator(seed: UInt64(seed))
                try writeImage(
                    (random.uniform([1, 3, 32, 32]) * 2 - 1).images()[0], to: pictures.appending(path: name).path)
            }
            try FileManager.default.createSymbolicLink(
                atPath: folder.appending(path: "lnk").path, withDestinationPath: "in")
            try body(folder)
        }
    }

    private func list(_ jobs: String, in folder: URL) throws -> String {
        let path = folder.appending(path: "jobs.yaml")
        let template = "{steps: 2, width: 32, height: 32, prompt: a cat}"
        try Data("model: \(Self.model)\ntemplate: \(template)\n\(jobs)\n".utf8).write(to: path)
        return path.path
    }

    private func files(_ folder: URL, _ name: String = "in") throws -> [String: Data] {
        let place = folder.appending(path: name)
        return Dictionary(
            uniqueKeysWithValues: try FileManager.default.contentsOfDirectory(atPath: place.path).filter {
                !$0.hasPrefix(".")
            }.map {
                ($0, try Data(contentsOf: place.appending(path: $0)))
            })
    }

    @Test func `stylize, edit, generate and rerun leave what they read`() throws {
        try withPictures { folder in
            let before = try files(folder)
            let slider = ["--slider", Fixtures.path("adapters/slider-bf16.pt")]
            let edit = ["edit", "-m", Self.model, "--no-cache"] + slider
            let draw = ["generate", "-m", Self.model, "-p", "a cat", "--steps", "1"]
            for (arguments, words) in [
                (
                    ["stylize", "in/a.png", "-o", "in"] + style,
                    "--output in: expected another folder than that of in/a.png"
                ),
                (["stylize", "in/a.png", "-o", "lnk"] + style, "--output lnk: expected another folder"),
                (["stylize", "lnk/a.png", "-o", "in"] + style, "--output in: expected another folder"),
                (
                    ["stylize", "in", "-o", "lnk"] + style,
                    "--output lnk: expected another folder than in, whose pictures"
                ),
                (
                    ["stylize", "in/a.png", "-o", "o", "--sheet", "in/a.png"] + style,
                    "--sheet in/a.png: expected another"
                ),
                (
                    ["stylize", "in/a.png", "-o", "o", "--sheet", "lnk/a.png"] + style,
                    "--sheet lnk/a.png: expected another"
                ),
                (
                    ["stylize", "in/a.png", "-o", "o", "--sheet", "o/a.png"] + style,
                    "--sheet o/a.png: expected another"
                ),
                (
                    ["stylize", "-p", "x", "-o", "o", "--sheet", "o/seed-42.png"] + style,
                    "expected another file than o/seed"
                ),
                (["stylize", "in/a.png", "-o", "o", "--sheet", "o/sheet.gif"] + style, ".gif"),
                (edit + ["-i", "in/a.png", "-o", "lnk/a.png"], "no picture to edit"),
                (edit + ["-i", "lnk/a.png", "-o", "o.png", "--sheet", "in/a.png"], "no picture to edit"),
                (
                    draw + ["-i", "in/a.png", "-o", "lnk/a.png"],
                    "--output lnk/a.png: expected another file than in/a.png"
                ),
                (
                    draw + ["-i", "in/a.png", "--mask", "in/b.png", "-o", "lnk/b.png"],
                    "expected another file than in/b.png"
                ),
                (draw + ["-o", "lnk/a.png", "--preview", "proj", "--preview-path", "in/a.png"], "than the picture's"),
                (
                    draw + ["-i", "in/a.png", "-o", "o.png", "--preview", "proj", "--preview-path", "lnk/a.png"],
                    "--preview-path lnk/a.png: expected another file than in/a.png"
                ),
                (["rerun", "in/a.png", "-o", "lnk/a.png"], "--output lnk/a.png: expected another file than in/a.png"),
            ] as [([String], String)] {
                let run = try program.run(arguments, in: folder)
                #expect(run.code == 2 && run.errors.contains(words), "\(arguments): \(run.errors)")
                #expect(run.errors.split(separator: "\n").count == 1 && run.output.isEmpty, "\(run.errors)")
            }
            #expect(try files(folder) == before)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["in", "lnk"])
        }
    }

    @Test func `a batch leaves what it reads`() throws {
        try withPictures { folder in
            let before = try files(folder)
            for (jobs, output, words) in [
                ("jobs: [{input: in/a.png, output: a.png}]", "in", "expected another folder than that of"),
                ("jobs: [{input: in/a.png, output: a.png}]", "lnk", "that a.png of job 1 is the same file"),
                ("jobs: [{input: lnk/a.png, output: in/a.png}]", ".", "that in/a.png of job 1 is the same file"),
                ("jobs: [{prompt: a, output: b.png}, {input: in/b.png}]", "in", "that b.png of job 1 is the same file"),
                ("jobs: [{input: in}]", "in", "/in, whose pictures are read, found the same"),
                ("jobs: [{input: in}]", "lnk", "/in, whose pictures are read, found the same"),
                ("jobs: [{input: in}, {prompt: a, output: in/c.png}]", ".", "that in/c.png of job 3 is in it"),
            ] {
                let list = try list(jobs, in: folder)
                for more in [[], ["--keep-going"], ["--dry-run"]] {
                    let run = try program.run(["batch", list, "-o", output] + more, in: folder)
                    #expect(run.code == 2 && run.errors.contains(words), "\(jobs) \(output): \(run.errors)")
                    #expect(run.errors.hasPrefix("atelier: --output \(output): expected another folder"))
                    #expect(run.errors.split(separator: "\n").count == 1 && run.output.isEmpty, "\(run.errors)")
                }
            }
            #expect(try files(folder) == before)
            // A list that would be its own run's report.
            let list = try list("jobs: [{prompt: a}]", in: folder)
            let report = folder.appending(path: "report.jsonl")
            try Data("{\"prompt\": \"a\"}\n".utf8).write(to: report)
            var run = try program.run(["batch", report.path, "-m", Self.model, "-o", "."], in: folder)
            #expect(run.code == 2 && run.errors.contains("the list"), "\(run.errors)")
            // Beside what is read, with other names, nothing is in the way.
            run = try program.run(["batch", list, "-o", "in"], in: folder)
            #expect(run.code == 0 && run.output == "1 made, 0 done before, 0 failed\n", "\(run.errors)")
            #expect(try files(folder).filter { before.keys.contains($0.key) } == before)
        }
    }

    @Test func `a sheet may lie in the folder that is made, and an empty folder is told of`() throws {
        try withPictures { folder in
            try FileManager.default.createDirectory(
                at: folder.appending(path: "none"), withIntermediateDirectories: false)
            var run = try program.run(["stylize", "none", "-p", "x", "-o", "o"] + style, in: folder)
            #expect(run.code == 2, "\(run.errors)")
            #expect(run.errors == "atelier: none: expected a folder with pictures, found an empty one\n")
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "o").path))
            let sheet = ["stylize", "in/a.png", "-o", "o", "--sheet", "o/sheet.png"] + style
            for _ in 0..<2 {
                run = try program.run(sheet, in: folder)
                #expect(run.code == 0 && run.output == "o/a.png\no/sheet.png\n", "\(run.errors)")
            }
            run = try program.run(["stylize", "in/a.png", "-o", "p", "--sheet", "q/sheet.png"] + style, in: folder)
            #expect(run.code == 1 && run.errors.contains("nothing there"), "\(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "p").path))
        }
    }

    @Test func `what is no picture by its name is told of and left, by stylize and by batch`() throws {
        try withPictures { folder in
            let pictures = folder.appending(path: "in")
            try FileManager.default.createDirectory(
                at: pictures.appending(path: "below"), withIntermediateDirectories: false)
            for name in ["a.txt", "notes.txt"] { try Data("words".utf8).write(to: pictures.appending(path: name)) }
            let told = [
                "in/below: a folder inside a folder is left out",
                "in: 2 files whose names do not end in .png, .jpg or .jpeg are left out, such as a.txt",
            ]
            var run = try program.run(["stylize", "in", "-o", "o"] + style, in: folder)
            #expect(
                run.code == 0 && run.output.split(separator: "\n").sorted() == ["o/a.png", "o/b.png"], "\(run.errors)")
            for words in told { #expect(run.errors.contains(words), "\(run.errors)") }
            let list = try list("matrix: {input: [in], seed: [1, 2]}", in: folder)
            run = try program.run(["batch", list, "-o", "b"], in: folder)
            #expect(run.code == 0 && run.output == "4 made, 0 done before, 0 failed\n", "\(run.errors)")
            // Once, though the folder is read for each seed.
            for words in told { #expect(run.errors.ranges(of: words).count == 1, "\(run.errors)") }
        }
    }

    @Test func `a slider's official recipe is known by its lines, however they end`() throws {
        try inTemporaryFolder { folder in
            let lines = ["prompts_file: \"nothing.yaml\"", "pretrained_model:", "  name_or_path: \"nowhere\"", ""]
            var errors: Set<String> = []
            for end in ["\n", "\r\n"] {
                try Data(lines.joined(separator: end).utf8).write(to: folder.appending(path: "config.yaml"))
                let run = try program.run(["train", "slider", "config.yaml", "-o", "t"], in: folder)
                #expect(run.code == 1 && !run.errors.contains("known key"), "\(run.errors)")
                errors.insert(run.errors)
            }
            #expect(errors.count == 1, "\(errors)")
        }
    }
}
