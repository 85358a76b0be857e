import Foundation
import Imaging
import TestSupport
import Testing

/// Stacks, their regions and their files as users of the program meet them.
@Suite struct StackCommandTests {
    private let program = CommandLineTests()
    private let base = ["-m", Fixtures.path("tiny-sd"), "-p", "an old cat", "--steps", "2", "-W", "64", "-H", "64"]
    private let slider = Fixtures.path("adapters/slider-bf16.pt")

    private func write(_ text: String, _ name: String, in folder: URL) throws -> String {
        let url = folder.appending(path: name)
        try Data(text.utf8).write(to: url)
        return url.path
    }

    /// White on one side, black on the other.
    private func mask(_ isWhite: (Int) -> Bool, at path: String) throws {
        let pixels = (0..<32 * 32).flatMap { [UInt8](repeating: isWhite($0 % 32) ? 255 : 0, count: 3) }
        try writeImage(Image(width: 32, height: 32, pixels: pixels), to: path)
    }

    @Test func `a picture knows its masks, regions, starts and directions`() throws {
        try inTemporaryFolder { folder in
            let mask = folder.appending(path: "mk.png").path
            try self.mask({ $0 < 16 }, at: mask)
            let stack = try write(
                """
                schema: 1
                entries:
                  - {slider: \(slider), scale: 2, region: {mask: mk.png, feather: 0.05}}
                  - {slider: \(slider), scale: 0.5, start: 0.8, region: {box: [0, 0, 0.5, 1], lock: true}}
                directions:
                  - {positive: an old man, negative: a young man, scale: 0.5, start: 0.9}
                """, "a.stack.yaml", in: folder)
            let picture = folder.appending(path: "a.png").path
            var run = try program.run(["generate"] + base + ["--stack", stack, "-o", picture])
            #expect(run.code == 0, "\(run.errors)")
            run = try program.run(["info", picture])
            for line in [
                "  region mask \(mask) sha256: ", " feather 0.05\n", "  start 0.8\n",
                "  region box [0.0, 0.0, 0.5, 1.0] locked\n",
                "direction \"an old man|a young man\" scale 0.5 start 0.9\n",
            ] { #expect(run.output.contains(line), "\(line) in \(run.output)") }
            run = try program.run(["verify", picture])
            #expect(run.code == 0 && run.output.contains("identical"), "\(run.output)\(run.errors)")
            try self.mask({ $0 >= 16 }, at: mask)
            run = try program.run(["verify", picture])
            #expect(run.code == 1 && run.output.contains("the region's mask \(mask) (another file)"), "\(run.output)")
            run = try program.run(["rerun", picture, "-o", folder.appending(path: "b.png").path])
            #expect(run.code == 0 && run.errors.contains("not the same: the region's mask \(mask)"), "\(run.errors)")
        }
    }

    @Test func `a picture with a relative adapter is made again from anywhere`() throws {
        try inTemporaryFolder { folder in
            let file = folder.appending(path: "age.pt")
            try FileManager.default.copyItem(atPath: slider, toPath: file.path)
            let picture = folder.appending(path: "a.png").path
            var run = try program.run(["generate"] + base + ["--lora", "age.pt", "-o", picture], in: folder)
            #expect(run.code == 0, "\(run.errors)")
            run = try program.run(["verify", picture])
            #expect(run.code == 0 && run.output.contains("identical"), "\(run.output)\(run.errors)")
            // Moved elsewhere it is found by its name and known by its hash.
            let shelf = folder.appending(path: "shelf")
            try FileManager.default.createDirectory(at: shelf, withIntermediateDirectories: true)
            try FileManager.default.moveItem(at: file, to: shelf.appending(path: "age.pt"))
            run = try program.run(["verify", picture])
            #expect(run.code == 1 && run.errors.contains("age.pt"), "\(run.output)\(run.errors)")
            run = try program.run(["verify", picture, "--lora-model-dir", shelf.path])
            #expect(run.code == 0 && run.output.contains("identical"), "\(run.output)\(run.errors)")
        }
    }

    @Test func `a word that a prompt has not is refused before anything is drawn`() throws {
        try inTemporaryFolder { folder in
            let stack = try write(
                "schema: 1\nentries: [{slider: \(slider), scale: 1, region: {word: cat}}]\n", "w.stack.yaml", in: folder
            )
            let output = folder.appending(path: "a.png").path
            let jobs = try write(
                "model: \(Fixtures.path("tiny-sd"))\njobs: [{prompt: a dog, stack: w.stack.yaml, steps: 2}]\n",
                "jobs.yaml", in: folder)
            let grid = ["grid"] + base + ["--axis", "prompt=cat|dog", "--stack", stack, "-o", output]
            var single = ["generate"] + base + ["--stack", stack, "--dry-run", "-o", output]
            #expect(try program.run(single).code == 0)
            single[single.firstIndex(of: "an old cat") ?? 0] = "an old dog"
            let batch = ["batch", jobs, "--dry-run", "-o", folder.appending(path: "out").path]
            for arguments in [grid, single, batch] {
                let run = try program.run(arguments)
                #expect(run.code == 1 && run.errors.contains("w.stack.yaml: entry 1 ("), "\(run.errors)")
                #expect(run.errors.contains("region word: expected words of the prompt \"a"), "\(run.errors)")
                #expect(!run.errors.contains("drawing") && !FileManager.default.fileExists(atPath: output))
            }
        }
    }
}
