import Foundation
import TestSupport
import Testing

/// `batch --dry-run` refuses what a run refuses, and writes nothing.
@Suite(.serialized) struct DryRunTests {
    private static let model = Fixtures.path("tiny-sd")
    private let program = CommandLineTests()

    private func write(_ jobs: String, _ folder: URL, name: String = "jobs.yaml") throws -> String {
        let path = folder.appending(path: name)
        try Data(
            "model: \(Self.model)\ntemplate: {steps: 1, width: 32, height: 32, prompt: a cat}\njobs:\n\(jobs)\n".utf8
        ).write(to: path)
        return path.path
    }

    @Test func `a dry run refuses what a run refuses`() throws {
        try inTemporaryFolder { folder in
            let out = folder.appending(path: "out").path
            for (jobs, words) in [
                ("- {output: ../esc.png}", "job 1: output: expected a name inside the output folder"),
                ("- {output: x.png}\n- {output: x.png}", "job 2: output: expected a name of its own"),
                ("- {output: x.png}\n- {output: x.png/y.png}", "job 2: output: expected a folder that can be one"),
                ("- {output: e.gif}", "e.gif: job 1: output: expected a name in .png or .jpg"),
                ("- {styles: [{style: nothing}]}", "00000.png: style 1 (nothing): expected a file"),
                ("- {input: missing.png}", "missing.png"),
                ("- {width: 33}", "width"),
                ("- {train: pair, recipe: missing.yaml}", "missing.yaml"),
                ("- {train: pair, recipe: missing.yaml, output: a.png}", "expected a name in .safetensors"),
                ("- {train: pair}", "found no recipe"),
            ] {
                let list = try write(jobs, folder)
                let dry = try program.run(["batch", list, "-o", out, "--dry-run"])
                #expect(dry.code == 1 && dry.errors.contains(words), "\(jobs): \(dry.errors)")
                #expect(dry.errors.split(separator: "\n").count == 1, "\(dry.errors)")
                #expect(!FileManager.default.fileExists(atPath: out))
                // The run itself, into a folder of its own, says the same.
                let run = try program.run(["batch", list, "-o", folder.appending(path: "run").path])
                #expect(run.code == 1 && run.errors.contains(words), "\(jobs): \(run.errors)")
            }
            let list = try write("- {seed: 1}", folder)
            let run = try program.run(["batch", list, "-o", list, "--dry-run"])
            #expect(run.code == 1 && run.errors.contains("expected a folder that can be written"), "\(run.errors)")
        }
    }

    @Test func `where one keeps going a dry run tells of every job`() throws {
        try inTemporaryFolder { folder in
            let out = folder.appending(path: "out").path
            let list = try write(
                """
                - {seed: 1, styles: [{style: nothing}]}
                - {seed: 2}
                - {seed: 3, output: ../esc.png}
                - {seed: 4, output: x.png}
                - {seed: 5, output: x.png}
                - {seed: 6, output: e.gif}
                - {train: lora, recipe: missing.yaml}
                - {seed: 8}
                """, folder)
            let dry = try program.run(["batch", list, "-o", out, "--dry-run", "--keep-going"])
            let lines = dry.errors.split(separator: "\n")
            #expect(dry.code == 1 && dry.output.split(separator: "\n").count == 3 && lines.count == 5, "\(dry.errors)")
            for (line, words) in zip(
                lines,
                ["00000.png: style 1", "../esc.png: job 3", "x.png: job 5", "e.gif: job 6", "00006.safetensors: "])
            { #expect(line.hasPrefix("atelier: \(words)"), "\(line)") }
            #expect(!FileManager.default.fileExists(atPath: out))
            let run = try program.run(["batch", list, "-o", out, "--keep-going"])
            #expect(run.code == 1 && run.output == "3 made, 0 done before, 5 failed\n", "\(run.errors)")
        }
    }
}
