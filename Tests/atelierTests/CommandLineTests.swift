import Foundation
import Imaging
import TensorCore
import TestSupport
import Testing
import Weights

/// The command line as a user meets it: exit codes, one sentence on stderr, files that are whole or not there.
@Suite(.serialized) struct CommandLineTests {
    struct Outcome {
        let code: Int32
        let output: String
        let errors: String
    }

    static let executable: URL = {
        // The test bundle lies beside the executable.
        var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        while folder.path != "/" {
            let candidate = folder.appending(path: "atelier")
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: candidate.path, isDirectory: &isFolder), !isFolder.boolValue {
                return candidate
            }
            folder.deleteLastPathComponent()
        }
        return URL(filePath: "/nowhere")
    }()

    static let model = Fixtures.path("tiny-sd")

    /// - Parameter folder: that the program starts in; nil for this process's own.
    /// - Parameter environment: what is added to this process's own.
    func run(
        _ arguments: [String], in folder: URL? = nil, environment: [String: String] = [:]
    ) throws -> Outcome {
        let process = Process()
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if let folder { process.currentDirectoryURL = folder }
        process.executableURL = Self.executable
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Outcome(
            code: process.terminationReason == .exit ? process.terminationStatus : -1, output: text,
            errors: complaint)
    }

    /// Products are compiled for a number of threads; a team that comes out smaller would leave parts of them undone.
    @Test(arguments: [["OMP_THREAD_LIMIT": "1"], ["OMP_DYNAMIC": "true"], ["OMP_NUM_THREADS": "5"]])
    func `a picture does not depend on what OpenMP is told`(_ environment: [String: String]) throws {
        try inTemporaryFolder { folder in
            let pictures = try [[:], environment].enumerated().map { index, environment in
                let path = folder.appending(path: "\(index).png").path
                let outcome = try run(
                    ["generate", "-p", "a dog", "--steps", "2", "-s", "7", "-t", "2", "-o", path],
                    environment: environment)
                #expect(outcome.code == 0, "\(outcome.errors)")
                return try readImage(at: path).image.pixels
            }
            #expect(pictures[0] == pictures[1])
        }
    }

    @Test func `a batch is drawn, numbered, described and repeatable`() throws {
        try inTemporaryFolder { folder in
            func draw(_ name: String) throws -> Outcome {
                try run([
                    "generate", "-m", Self.model, "-p", "a house", "--steps", "2", "-W", "32", "-H", "32", "-s", "5",
                    "-b", "2", "--json", "--sampling-method", "euler", "-o",
                    folder.appending(path: "\(name)-%03d.png").path, "--save-latents",
                    folder.appending(path: "\(name).safetensors").path,
                ])
            }
            let first = try draw("a")
            #expect(first.code == 0, "\(first.errors)")
            let lines = first.output.split(separator: "\n")
            #expect(lines.count == 2)
            #expect(lines.last?.contains("\"seed\":6") == true)
            #expect(lines.allSatisfy { $0.contains("\"sampler\":\"euler\"") && $0.contains("\"model_hash\":\"") })
            let (picture, metadata) = try readImage(at: folder.appending(path: "a-001.png").path)
            #expect(picture.width == 32 && picture.height == 32)
            #expect(metadata["parameters"]?.contains("Seed: 6") == true)
            let latents = try SafetensorsFile(path: folder.appending(path: "a.safetensors").path).tensors()
            #expect(latents["latents"]?.shape == [2, 4, 8, 8])

            #expect(try draw("b").code == 0)
            for index in ["000", "001"] {
                let (a, b) = (folder.appending(path: "a-\(index).png"), folder.appending(path: "b-\(index).png"))
                #expect(try Data(contentsOf: a) == Data(contentsOf: b))
            }
        }
    }

    @Test func `sampler, schedule, eta, prediction and rescale are taken by their aliases`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "x.png").path
            let outcome = try run([
                "generate", "-m", Self.model, "-p", "x", "--steps", "2", "-W", "16", "-H", "16", "--json", "-o", path,
                "--sampling-method", "Euler a", "--scheduler", "Align Your Steps", "--eta", "0.5", "--prediction",
                "v_prediction", "--guidance-rescale", "0.7",
            ])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("\"sampler\":\"euler_a\"") && outcome.output.contains("\"steps\":2"))
            let parameters = try #require(readImage(at: path).1["parameters"])
            #expect(parameters.contains("Schedule type: Align Your Steps"))
        }
    }

    @Test func `a jpeg is written by its ending`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "x.jpg").path
            let outcome = try run([
                "generate", "-m", Self.model, "-p", "x", "--steps", "1", "-W", "16", "-H", "16", "-o", path,
            ])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try Data(contentsOf: URL(filePath: path)).prefix(2) == Data([0xFF, 0xD8]))
        }
    }

    /// Arguments, the exit code, and what the one sentence must name.
    static let refusals: [([String], Int32, [String])] = [
        (["generate", "-p", "x", "-m", "/nowhere/model"], 1, ["/nowhere/model", "expected", "found"]),
        (["generate", "-p", "x", "-m", model, "--sampling-method", "eulr"], 2, ["eulr", "euler"]),
        (["generate", "-p", "x", "-m", model, "--scheduler", "karas"], 2, ["--scheduler", "karas", "karras", "ays"]),
        (["generate", "-p", "x", "-m", model, "--prediction", "edm_v"], 2, ["--prediction", "edm_v", "eps", "flow"]),
        (["generate", "-p", "x", "-m", model, "--scheduler", "karras"], 2, ["ddim", "karras", "trailing"]),
        (
            ["generate", "-p", "x", "-m", model, "--sampling-method", "heun", "--eta", "0.5"], 2,
            ["eta", "heun", "euler_a"]
        ),
        (["generate", "-p", "x", "-m", model, "--prediction", "flow"], 2, ["prediction", "ddim", "eps"]),
        (["generate", "-p", "x", "-m", model, "--guidance-rescale", "2"], 2, ["guidance rescale", "2"]),
        (["generate", "-p", "x", "-m", model, "-W", "33"], 2, ["width", "multiple", "33"]),
        (["generate", "-p", "x", "-m", model, "--steps", "0"], 2, ["steps", "0"]),
        (["generate", "-p", "x", "-m", model, "--steps", "many"], 2, ["steps", "many"]),
        (["generate", "-m", model], 2, ["prompt"]),
        (["generate", "-p", "x", "-m", model, "-b", "2", "-o", "same.png"], 2, ["same.png", "%03d"]),
        (["generate", "-p", "x", "-m", model, "-o", "picture.bmp"], 2, ["picture.bmp", ".png"]),
        (["generate", "-p", "x", "-m", model, "-o", "/nowhere/at/all.png"], 1, ["/nowhere/at", "expected", "found"]),
        (["generate", "-p", "x", "-m", model, "--precision", "fp8"], 2, ["fp8"]),
        (["generate", "-p", "x", "-m", model, "--threads", "0"], 2, ["threads", "0"]),
        (["generate", "-p", "x", "-m", model, "-s", "-2"], 2, ["--seed", "-2"]),
        (["generate", "-p", "x", "-m", model, "--steps", "-5"], 2, ["steps", "-5"]),
        (["generate", "-p", "x", "-m", model, "--cfg-scale", "1e19"], 2, ["guidance scale", "1e+19"]),
        (["generate", "-p", "x", "-m", model, "-b", "99999999999"], 2, ["--batch-count", "99999999999"]),
        (["generate", "-p", "x", "-m", ""], 2, ["--model"]),
        (["generate", "-p", "x", "-m", model, "-o", "a%03d%03d.png"], 2, ["a%03d%03d.png"]),
        (
            ["generate", "-p", "x", "-m", model, "-o", "q.png", "--save-latents", "q.png"], 2,
            ["--save-latents", "q.png"]
        ),
        (
            ["generate", "-p", "x", "-m", model, "--save-latents", "/nowhere/l.safetensors"], 1,
            ["/nowhere", "expected", "found"]
        ),
        (["generate", "-p", "x", "-m", model, "--mask", "m.png"], 2, ["--mask", "--init-img"]),
        (["generate", "-p", "x", "-m", model, "-i", "/nowhere/i.png"], 1, ["/nowhere/i.png"]),
        (["generate", "-p", "x", "-m", model, "--strength", "0"], 2, ["--strength", "0"]),
        (["verify", "/nowhere/p.png"], 1, ["/nowhere/p.png"]),
        (["models", "inspect", "/nowhere/m.safetensors"], 1, ["/nowhere/m.safetensors"]),
        (["train", "base", "x.yaml", "-o", "/tmp/none", "-t", "0"], 2, ["--threads", "0"]),
        (["train", "base", "/nowhere/recipe.yaml", "-o", "/tmp/none"], 1, ["/nowhere/recipe.yaml"]),
        (["paint"], 2, ["paint"]),
    ]

    @Test(arguments: refusals)
    func `mistakes are one sentence with the right exit code`(
        _ arguments: [String], _ code: Int32, _ words: [String]
    ) throws {
        try inTemporaryFolder { folder in
            var arguments = arguments
            if arguments[0] == "generate" && !arguments.contains("-o") {
                arguments += ["-o", folder.appending(path: "x.png").path]
            }
            let outcome = try run(arguments)
            #expect(outcome.code == code, "\(outcome.errors)")
            let lines = outcome.errors.split(separator: "\n")
            #expect(lines.count == 1, "\(outcome.errors)")
            for word in words { #expect(outcome.errors.contains(word), "\(word) in \(outcome.errors)") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        }
    }

    @Test func `a seed of -1 draws one`() throws {
        try inTemporaryFolder { folder in
            func draw() throws -> String {
                try run([
                    "generate", "-m", Self.model, "-p", "x", "--steps", "1", "-W", "32", "-H", "32", "-s", "-1",
                    "--json",
                    "-o", folder.appending(path: "x.png").path,
                ]).output
            }
            let seeds = [try draw(), try draw()]
            #expect(seeds[0].contains("\"seed\":") && seeds[0] != seeds[1])
        }
    }

    @Test func `damaged weights are one sentence, and nothing is written`() throws {
        try inTemporaryFolder { folder in
            let model = folder.appending(path: "model")
            try Fixtures.copy("tiny-sd", to: model)
            let weights = model.appending(path: "unet/diffusion_pytorch_model.safetensors")
            var data = try Data(contentsOf: weights)
            // A header that claims four gigabytes.
            data.replaceSubrange(0..<8, with: [0, 0, 0, 0, 1, 0, 0, 0])
            try data.write(to: weights)
            let picture = folder.appending(path: "x.png").path
            let outcome = try run(["generate", "-m", model.path, "-p", "x", "-o", picture])
            #expect(outcome.code == 1)
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
            #expect(outcome.errors.contains("diffusion_pytorch_model.safetensors"))
            #expect(!FileManager.default.fileExists(atPath: picture))
        }
    }

    @Test func `an empty recipe key is named`() throws {
        try inTemporaryFolder { folder in
            let recipe = folder.appending(path: "recipe.yaml")
            try Data("name: x\nseed:\n".utf8).write(to: recipe)
            let outcome = try run(["train", "base", recipe.path, "-o", folder.appending(path: "out").path])
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("seed") && outcome.errors.contains(recipe.path), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "out").path))
        }
    }

    @Test func `an interrupt between steps leaves no file`() throws {
        try inTemporaryFolder { folder in
            let process = Process()
            process.executableURL = Self.executable
            process.arguments = [
                "generate", "-m", Self.model, "-p", "x", "--steps", "1000", "-W", "256", "-H", "256", "-o",
                folder.appending(path: "x.png").path,
            ]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            Thread.sleep(forTimeInterval: 2)
            process.interrupt()
            process.waitUntilExit()
            #expect(process.terminationStatus == 130)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        }
    }

    @Test func `help and version succeed on stdout`() throws {
        for arguments in [["--help"], ["generate", "--help"], ["--version"]] {
            let outcome = try run(arguments)
            #expect(outcome.code == 0)
            #expect(!outcome.output.isEmpty && outcome.errors.isEmpty)
        }
    }
}
