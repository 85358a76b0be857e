import Foundation
import Imaging
import TensorCore
import TestSupport
import Testing

/// `batch` where things go wrong: kills, recipes that change, disks that are full, folders that cannot be written, files
/// that are no pictures.
@Suite(.serialized) struct BatchCommandTests {
    private static let model = Fixtures.path("tiny-sd")
    private let program = CommandLineTests()

    private func write(_ text: String, _ name: String, _ folder: URL) throws -> String {
        let path = folder.appending(path: name)
        try Data(text.utf8).write(to: path)
        return path.path
    }

    private func writePicture(_ path: URL, seed: UInt64) throws {
        var random = TorchGenerator(seed: seed)
        try writeImage((random.uniform([1, 3, 32, 32]) * 2 - 1).images()[0], to: path.path)
    }

    private func outputs(_ folder: URL, _ ending: String) throws -> [String: Data] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(ending) }
        return Dictionary(
            uniqueKeysWithValues: try names.map { ($0, try Data(contentsOf: folder.appending(path: $0))) })
    }

    /// Runs the program behind a shell that sets a limit, in kilobytes, on the size of the files it writes.
    private func run(_ arguments: [String], largestFile: Int) throws -> CommandLineTests.Outcome {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        // The signal that comes with the limit is left aside, so that writing fails as on a full disk.
        process.arguments =
            ["-c", "trap '' XFSZ; ulimit -f \(largestFile); exec \"$0\" \"$@\"", CommandLineTests.executable.path]
            + arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return .init(
            code: process.terminationReason == .exit ? process.terminationStatus : -1, output: text, errors: complaint)
    }

    private func pictureList(_ folder: URL, count: Int, size: Int = 32) throws -> String {
        try write(
            """
            model: \(Self.model)
            template: {steps: 2, width: \(size), height: \(size), sampler: euler, prompt: a cat}
            matrix: {seed: [\((0..<count).map(String.init).joined(separator: ", "))]}
            """, "jobs.yaml", folder)
    }

    /// The recipe of a style of a few steps, and its pictures.
    private func writeStyle(_ folder: URL) throws {
        for (seed, name) in ["content", "style"].enumerated() {
            try writePicture(folder.appending(path: name + ".png"), seed: UInt64(seed))
        }
        _ = try write(
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
            """, "ink.yaml", folder)
    }

    // MARK: work and memory

    private struct Bench: Decodable {
        struct Pool: Decodable {
            let pictures: Int
            let live: Int
            let peak: Int
            let buffers: Int
        }

        let count: Int
        let ratio: Double
        let ratios: [Double]
        let buffersSingle: Double
        let buffersBatch: Double
        let encodings: Int
        let early: Pool
        let end: Pool
        let peakBefore: Int
        let peakAfter: Int
    }

    @Test func `two hundred pictures need the work of each and the memory of a few`() throws {
        // A process of its own: the counters are of the whole process. On one thread they are the same in every run.
        let bench = [
            "bench", "batch", "-m", Self.model, "--steps", "1", "-W", "32", "-H", "32", "--json", "-t", "1",
        ]
        let run = try program.run(bench + ["--count", "200", "--singles", "12"])
        #expect(run.code == 0, "\(run.errors)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let row = try decoder.decode(Bench.self, from: Data(run.output.utf8))
        #expect(row.count == 200 && row.ratios.count == 5 && row.ratios.contains(row.ratio), "\(row)")
        // One more evaluation of the UNet would take hundreds of buffers, one more text dozens.
        #expect(row.buffersSingle > 500 && row.buffersBatch == row.buffersSingle, "\(row)")
        // Four prompts and the empty one, over more than two hundred pictures.
        #expect(row.encodings == 5, "\(row)")
        #expect(row.early.pictures == 20 && row.end.pictures == 200)
        #expect(row.early.peak > row.early.live && row.end.peak == row.early.peak, "\(row)")
        #expect(row.end.live == row.early.live && row.end.buffers == row.early.buffers, "\(row)")
        #expect(row.peakAfter - row.peakBefore < 48 << 20, "\(row)")
        // Times drift, so that the ratio is asked for by who wants it.
        var strict = try program.run(bench + ["--count", "4", "--singles", "2", "--rounds", "1", "--at-least", "1000"])
        #expect(strict.code == 1 && strict.errors.contains("batch: expected at least 1000.00 of the rate"))
        #expect(strict.output.contains("\"ratio\""))
        strict = try program.run(bench + ["--count", "4", "--singles", "2", "--rounds", "1", "--at-least", "0.0001"])
        #expect(strict.code == 0, "\(strict.errors)")
        let wrong = try program.run(["bench", "batch", "--count", "1"])
        #expect(wrong.code == 2 && wrong.errors.contains("--count"))
    }

    @Test func `the model is loaded once, however many pictures there are`() throws {
        try inTemporaryFolder { folder in
            let model = folder.appending(path: "model")
            try Fixtures.copy("tiny-sd", to: model)
            let weights = model.appending(path: "unet/diffusion_pytorch_model.safetensors").path
            func opens(_ count: Int) throws -> Int {
                let list = try write(
                    """
                    model: \(model.path)
                    template: {steps: 1, width: 32, height: 32, sampler: euler, prompt: a cat}
                    matrix: {seed: [\((0..<count).map(String.init).joined(separator: ", "))]}
                    """, "jobs-\(count).yaml", folder)
                let watch = try OpenWatch(weights)
                let run = try program.run(["batch", list, "-o", folder.appending(path: "out-\(count)").path])
                #expect(run.output == "\(count) made, 0 done before, 0 failed\n", "\(run.errors)")
                return watch.count()
            }
            let one = try opens(1)
            // To map them, and to hash them.
            #expect(one > 0 && one < 10, "\(one)")
            #expect(try opens(12) == one)
        }
    }

    // MARK: trainings

    @Test func `trainings that are killed at any moment end in the same bytes`() throws {
        try inTemporaryFolder { folder in
            try writeStyle(folder)
            let list = try write(
                """
                template: {train: pair, recipe: ink.yaml}
                matrix: {set: {network.style_rank: [1, 2, 3]}}
                """, "jobs.yaml", folder)
            let (whole, killed) = (folder.appending(path: "whole"), folder.appending(path: "killed"))
            var run = try program.run(["batch", list, "-o", whole.path])
            #expect(run.code == 0 && run.output == "3 made, 0 done before, 0 failed\n", "\(run.errors)")
            let expected = try outputs(whole, ".safetensors")
            #expect(expected.count == 3 && Set(expected.values).count == 3)
            // Half of the kills come when they like, the others once an output is there.
            func made() -> Int { CommandLineTests.count(of: ".safetensors", in: killed) }
            var found: [Int] = []
            for round in 0..<10 {
                let seconds = Double.random(in: round < 5 ? 0.05...0.45 : 0...0.05)
                // On more threads all would be done at once.
                _ = try program.runAndKill(["batch", list, "-o", killed.path, "-t", "2"], seconds: seconds) {
                    round < 5 || made() > 0
                }
                found.append(made())
            }
            #expect(found.contains { 0 < $0 && $0 < 3 }, "no kill found some of the outputs: \(found)")
            run = try program.run(["batch", list, "-o", killed.path])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try outputs(killed, ".safetensors") == expected)
        }
    }

    @Test func `a training whose recipe or pictures change begins beside the old one`() throws {
        try inTemporaryFolder { folder in
            try writeStyle(folder)
            let list = try write(
                "jobs: [{train: pair, recipe: ink.yaml, output: ink.safetensors}]", "jobs.yaml", folder)
            let out = folder.appending(path: "out")
            func train() throws -> Data {
                let run = try program.run(["batch", list, "-o", out.path])
                #expect(run.code == 0 && run.output.hasPrefix("1 made"), "\(run.errors)")
                return try Data(contentsOf: out.appending(path: "ink.safetensors"))
            }
            func trainings() throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: out.appending(path: ".training").path).sorted()
            }
            // No room for its checkpoint: the job's failure, and nothing that the next run minds.
            let full = try run(["batch", list, "-o", out.path], largestFile: 4)
            #expect(full.code == 1 && full.errors.contains("expected room to write the file"), "\(full.errors)")
            #expect(full.output == "0 made, 0 done before, 1 failed\n")
            let first = try train()
            let old = try trainings()
            #expect(old.count == 1)
            let recipe = folder.appending(path: "ink.yaml")
            let text = try String(contentsOf: recipe, encoding: .utf8)
            try Data(text.replacing("learning_rate: 0.05", with: "learning_rate: 0.02").utf8).write(to: recipe)
            let second = try train()
            #expect(second != first)
            #expect(try trainings().count == 2 && Set(old).isSubset(of: trainings()))
            try writePicture(folder.appending(path: "style.png"), seed: 77)
            #expect(try train() != second && trainings().count == 3)
            // The recipe as it was: the old training has its end already.
            try Data(text.utf8).write(to: recipe)
            try writePicture(folder.appending(path: "style.png"), seed: 1)
            #expect(try train() == first && trainings().count == 3)
            // A key that no recipe has.
            let bad = try write(
                "jobs: [{train: pair, recipe: ink.yaml, set: {network.stile_rank: 8}}]", "bad.yaml", folder)
            let run = try program.run(["batch", bad, "-o", folder.appending(path: "bad").path])
            #expect(
                run.code == 1 && run.errors.contains("network.stile_rank: expected a known key")
                    && run.errors.contains("with what is set"), "\(run.errors)")
        }
    }

    // MARK: kills

    @Test func `merges that are killed at any moment end in the same journal`() throws {
        try inTemporaryFolder { folder in
            let list = try pictureList(folder, count: 6)
            let out = folder.appending(path: "out")
            for shard in ["1/2", "2/2"] {
                #expect(try program.run(["batch", list, "-o", out.path, "--shard", shard]).code == 0)
            }
            let early = try program.run(["batch", list, "-o", folder.appending(path: "none").path, "--merge"])
            #expect(early.code == 1 && early.errors.contains("expected the folder of a batch"))
            // Half of the kills come once the merge has its journal open.
            let merged = out.appending(path: "journal.jsonl").path
            var killed = 0
            for round in 0..<10 {
                let seconds = Double.random(in: round < 5 ? 0.005...0.06 : 0...0.002)
                let wasKilled = try program.runAndKill(["batch", list, "-o", out.path, "--merge"], seconds: seconds) {
                    round < 5 || FileManager.default.fileExists(atPath: merged)
                }
                if wasKilled { killed += 1 }
            }
            #expect(killed > 0)
            let run = try program.run(["batch", list, "-o", out.path, "--merge"])
            #expect(run.code == 0 && run.output == "6 done, 0 failed, 0 not done\n", "\(run.errors)")
            let journal = try String(contentsOf: out.appending(path: "journal.jsonl"), encoding: .utf8)
            #expect(journal.split(separator: "\n").count == 6)
            let again = try program.run(["batch", list, "-o", out.path])
            #expect(again.output == "0 made, 6 done before, 0 failed\n")
        }
    }

    // MARK: bad places and bad files

    @Test func `where there is no room nothing is half written, and the journal stays valid`() throws {
        try inTemporaryFolder { folder in
            let list = try pictureList(folder, count: 4, size: 64)
            let (whole, out) = (folder.appending(path: "whole"), folder.appending(path: "out"))
            #expect(try program.run(["batch", list, "-o", whole.path]).code == 0)
            let smallest = try outputs(whole, ".png").values.map(\.count).min() ?? 0
            try #require(smallest > 4 << 10)
            var run = try run(["batch", list, "-o", out.path, "--keep-going"], largestFile: 4)
            #expect(run.code == 1 && run.output == "0 made, 0 done before, 4 failed\n", "\(run.errors)")
            #expect(run.errors.contains("00000.png: expected room to write the file"), "\(run.errors)")
            // What failed is not told as done.
            #expect(run.errors.contains("jobs 0/4, 4 failed") && !run.errors.contains("jobs 4/4"), "\(run.errors)")
            let names = try FileManager.default.contentsOfDirectory(atPath: out.path).sorted()
            #expect(names == ["journal.jsonl", "journal.lock", "report.jsonl"])
            let journal = try String(contentsOf: out.appending(path: "journal.jsonl"), encoding: .utf8)
            #expect(journal.hasSuffix("\n") && journal.split(separator: "\n").allSatisfy { $0.hasPrefix("{\"error\"") })
            // No room for the journal itself.
            let tight = folder.appending(path: "tight")
            run = try self.run(["batch", list, "-o", tight.path], largestFile: 0)
            #expect(run.code == 1 && run.errors.contains("journal.jsonl: expected room"), "\(run.errors)")
            #expect(try outputs(tight, ".png").isEmpty)
            // With room again, both end as if nothing had been.
            for folder in [out, tight] {
                run = try program.run(["batch", list, "-o", folder.path])
                #expect(run.code == 0 && run.output == "4 made, 0 done before, 0 failed\n", "\(run.errors)")
                #expect(try outputs(folder, ".png") == outputs(whole, ".png"))
            }
        }
    }

    @Test func `a folder that cannot be written is one sentence`() throws {
        try inTemporaryFolder { folder in
            let list = try pictureList(folder, count: 2)
            // Nobody can make a folder there, root neither.
            for place in ["/proc/atelier-batch", "/sys/atelier-batch/out"] {
                let run = try program.run(["batch", list, "-o", place])
                #expect(run.code == 1 && run.errors.contains("\(place): expected a folder that can be written"))
                #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)")
            }
            let file = try write("", "file", folder)
            #expect(try program.run(["batch", list, "-o", file]).code == 1)
            let run = try program.run(["batch", list, "-o", ""])
            #expect(run.code == 2 && run.errors.contains("--output"))
            // For all but root a folder without the right to write is such a place, too.
            guard geteuid() != 0 else { return }
            let locked = folder.appending(path: "locked")
            try FileManager.default.createDirectory(at: locked, withIntermediateDirectories: true)
            try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: locked.path)
            let refused = try program.run(["batch", list, "-o", locked.path])
            #expect(refused.code == 1 && refused.errors.contains("expected a folder that can be written"))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: locked.path)
        }
    }

    @Test func `a file that is no picture is told of, and left where one keeps going`() throws {
        try inTemporaryFolder { folder in
            let photos = folder.appending(path: "photos")
            try FileManager.default.createDirectory(at: photos, withIntermediateDirectories: true)
            for (seed, name) in ["a.png", "c.png"].enumerated() {
                try writePicture(photos.appending(path: name), seed: UInt64(seed))
            }
            _ = try write("no picture", "b.png", photos)
            let list = try write(
                """
                model: \(Self.model)
                template: {steps: 4, width: 32, height: 32, prompt: a cat}
                matrix: {input: [photos]}
                """, "jobs.yaml", folder)
            let (strict, loose) = (folder.appending(path: "strict"), folder.appending(path: "loose"))
            var run = try program.run(["batch", list, "-o", strict.path])
            #expect(run.code == 1 && run.errors.contains("b.png") && run.output.hasSuffix("1 failed\n"))
            #expect(try outputs(strict, ".png")["00002.png"] == nil)
            run = try program.run(["batch", list, "-o", loose.path, "--keep-going"])
            #expect(run.code == 1 && run.output == "2 made, 0 done before, 1 failed\n", "\(run.errors)")
            #expect(
                run.errors.contains("b.png") && run.errors.split(separator: "atelier: ").count == 1, "\(run.errors)")
            #expect(try outputs(loose, ".png").keys.sorted() == ["00000.png", "00002.png"])
            let report = try String(contentsOf: loose.appending(path: "report.jsonl"), encoding: .utf8)
            #expect(report.split(separator: "\n").map { $0.contains("\"state\":\"failed\"") } == [false, true, false])
            // The inversions are kept beside the pictures.
            #expect(try outputs(loose.appending(path: ".inversions"), ".safetensors").count == 2)
            // Mended, it is made, and nothing else.
            try writePicture(photos.appending(path: "b.png"), seed: 5)
            run = try program.run(["batch", list, "-o", loose.path])
            #expect(run.code == 0 && run.output == "1 made, 2 done before, 0 failed\n", "\(run.errors)")
        }
    }

    @Test func `lines that are broken and outputs that are taken are told of, and the others done`() throws {
        try inTemporaryFolder { folder in
            let list = try write(
                """
                {"model": "\(Self.model)", "template": {"steps": 1, "width": 32, "height": 32, "prompt": "a cat"}}
                {"seed": 1}
                {"seed": 2,
                {"seed": 3, "output": "x.png"}
                {"seed": 4, "output": "x.png/y.png"}
                {"seed": 5, "output": "x.png"}
                {"seed": 6, "styles": [{"style": "nothing"}]}
                {"seed": 7}
                """, "jobs.jsonl", folder)
            let out = folder.appending(path: "out")
            var run = try program.run(["batch", list, "-o", out.path])
            #expect(run.code == 1 && run.errors.contains("\(list) line 3: expected"), "\(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: out.path))
            run = try program.run(["batch", list, "-o", out.path, "--keep-going"])
            #expect(run.code == 1 && run.output == "3 made, 0 done before, 4 failed\n", "\(run.errors)")
            #expect(try outputs(out, ".png").keys.sorted() == ["00000.png", "00006.png", "x.png"])
            for words in [
                "00001.png: \(list) line 3: expected",
                "x.png/y.png: job 4 (line 5): output: expected a folder that can be one",
                "x.png: job 5 (line 6): output: expected a name of its own, found 'x.png', which job 3 has",
                // Where it was looked for, and nothing that is not there.
                "00005.png: style 1 (nothing): expected a file nothing.safetensors in \(folder.path), ",
                "/Sliders/styles, found none",
            ] { #expect(run.errors.contains(words), "\(words) in \(run.errors)") }
            let report = try String(contentsOf: out.appending(path: "report.jsonl"), encoding: .utf8)
            #expect(
                report.split(separator: "\n").map { $0.contains("\"state\":\"failed\"") }
                    == [false, true, false, true, true, true, false])
            // Of one number with the sentences, and the line of the file.
            #expect(report.contains("\"job\":4,\"line\":5,\"output\":\"x.png/y.png\""), "\(report)")
            run = try program.run(["batch", list, "-o", out.path, "--merge"])
            #expect(run.code == 1 && run.output == "3 done, 4 failed, 0 not done\n", "\(run.errors)")
            // A shard is told of its own jobs.
            let dry = ["batch", list, "-o", out.path, "--keep-going", "--dry-run", "--shard"]
            run = try program.run(dry + ["2/7"])
            #expect(run.code == 1 && run.output.isEmpty && run.errors.contains("line 3: expected"), "\(run.errors)")
            run = try program.run(dry + ["1/7"])
            #expect(run.code == 0 && run.output.split(separator: "\n").count == 1, "\(run.errors)")
            // Mended, only what is new is made: the others keep their names and their places.
            let text = try String(contentsOfFile: list, encoding: .utf8)
            let mended = text.replacing("{\"seed\": 2,", with: "{\"seed\": 2}").replacing("x.png/y.png", with: "y.png")
                .replacing("{\"seed\": 5, \"output\": \"x.png\"}", with: "{\"seed\": 5}")
                .replacing(", \"styles\": [{\"style\": \"nothing\"}]", with: "")
            try Data(mended.utf8).write(to: URL(filePath: list))
            run = try program.run(["batch", list, "-o", out.path])
            #expect(run.code == 0 && run.output == "4 made, 3 done before, 0 failed\n", "\(run.errors)")
        }
    }

    @Test func `the whole list and a shard of it do not run side by side`() throws {
        try inTemporaryFolder { folder in
            let list = try pictureList(folder, count: 24, size: 64)
            let out = folder.appending(path: "out")
            let shard = Process()
            shard.executableURL = CommandLineTests.executable
            shard.arguments = ["batch", list, "-o", out.path, "--shard", "1/2"]
            (shard.standardOutput, shard.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
            try shard.run()
            defer {
                shard.terminate()
                shard.waitUntilExit()
            }
            let lock = out.appending(path: "journal-1-of-2.jsonl").path
            let start = ContinuousClock.now
            while !FileManager.default.fileExists(atPath: lock), ContinuousClock.now - start < .seconds(20) {
                Thread.sleep(forTimeInterval: 0.005)
            }
            // Stopped, it holds what it has and gets no further.
            kill(shard.processIdentifier, SIGSTOP)
            defer { kill(shard.processIdentifier, SIGCONT) }
            let whole = try program.run(["batch", list, "-o", out.path])
            #expect(
                whole.code == 1 && whole.output.isEmpty
                    && whole.errors.contains("found shards of 2 that are still at work"), "\(whole.errors)")
            let other = try program.run(["batch", list, "-o", out.path, "--shard", "1/3"])
            #expect(other.code == 1 && other.errors.contains("expected shard 1/3 beside shards of 3"))
            #expect(try program.run(["batch", list, "-o", out.path, "--shard", "2/2"]).code == 0)
        }
    }
}
