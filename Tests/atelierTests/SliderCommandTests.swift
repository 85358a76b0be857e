import Adapters
import Foundation
import Generation
import Imaging
import Measurement
import TensorCore
import TestSupport
import Testing
import Weights
import World

@testable import atelier

/// `eval slider` and `slider test|matrix|calibrate` as users call them, on the tiny model and probes of random weights.
@Suite(.serialized) struct SliderCommandTests {
    private static let model = Fixtures.path("tiny-sd")
    private let program = CommandLineTests()

    private func writeProbes(_ folder: URL, side: Int) throws {
        for family in SceneFamily.allCases {
            let place = folder.appending(path: "\(family.rawValue)-b")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let configuration = ProbeConfiguration(
                family: family, imageSize: side, channels: [8, 16], normGroups: 4, summaryChannels: 2, features: 4)
            let source = InitializingSource(seed: 1)
            _ = try ProbeNetwork(configuration, weights: ScopedWeights(source))
            try JSONEncoder().encode(configuration).write(to: place.appending(path: "config.json"))
            try writeSafetensors(source.tensors, to: place.appending(path: "model.safetensors").path)
        }
    }

    private func writeSlider(_ name: String, _ path: URL, seed: UInt64, size: Double = 0.2) throws {
        let model = try StableDiffusion(ModelFolder(path: Self.model))
        var random = TorchGenerator(seed: seed)
        var adapter = Adapter.untrained(
            name: name, modules: SliderTarget(.lierla, .noxattn).modules(of: model.modules), rank: 2, alpha: 2,
            random: &random)
        adapter = adapter.replacing(parameters: adapter.parameters.mapValues { random.normal($0.shape) * size })
        try adapter.setNote(SliderNote(name: name, base: "abc"))
        try adapter.write(to: path.path, format: .sliders)
    }

    @Test func `a slider is reported, held to a bank, and set beside others`() throws {
        try inTemporaryFolder { folder in
            let side = try StableDiffusion(ModelFolder(path: Self.model)).defaultSize
            try writeProbes(folder.appending(path: "probes"), side: side)
            let sliders = folder.appending(path: "sliders")
            try FileManager.default.createDirectory(at: sliders, withIntermediateDirectories: true)
            let (age, smile) = (
                sliders.appending(path: "age.safetensors"), sliders.appending(path: "smile.safetensors")
            )
            try writeSlider("age", age, seed: 3)
            try writeSlider("smile", smile, seed: 4)
            let common = [
                "-m", Self.model, "--probes", folder.appending(path: "probes").path, "--prompts", "2", "--seeds", "1",
                "--steps", "2",
            ]
            let report = folder.appending(path: "report")
            var run = try program.run(
                [
                    "eval", "slider", age.path, "-o", report.path, "--baselines", "--profile-prompts", "1", "--beside",
                    smile.path,
                ]
                    + common)
            #expect(run.code == 0, "\(run.errors)")
            let names = try FileManager.default.contentsOfDirectory(atPath: report.path)
            for name in ["report.json", "report.md", "report.html", "sheet.png", "plot.png"] {
                #expect(names.contains(name), "\(name)")
            }
            #expect(run.output.contains("interference, mean") && run.output.contains("in a block only"))

            run = try program.run(["slider", "test", age.path] + common)
            #expect(run.code == 1 && run.errors.contains("--write-bank"), "\(run.errors)")
            run = try program.run(["slider", "test", age.path, "--write-bank"] + common)
            #expect(run.code == 0 && run.output.contains("age.bank.json"), "\(run.errors)")
            run = try program.run(["slider", "test", age.path] + common)
            #expect(run.code == 0 && !run.output.contains("FAIL"), "\(run.output)\(run.errors)")
            // Another slider under the same name fails, and says at what.
            try writeSlider("age", age, seed: 9, size: 1)
            run = try program.run(["slider", "test", age.path] + common)
            #expect(run.code == 1 && run.output.contains("FAIL"), "\(run.output)\(run.errors)")

            let matrix = folder.appending(path: "matrix")
            run = try program.run(
                ["slider", "matrix", sliders.path, "-o", matrix.path, "--composition", "3", "--grid", "age,smile"]
                    + common)
            #expect(run.code == 0 && run.output.contains("correlation"), "\(run.errors)")
            for name in ["matrix.json", "matrix.md", "interference.png", "gram.png", "grid.png"] {
                #expect(FileManager.default.fileExists(atPath: matrix.appending(path: name).path), "\(name)")
            }
            run = try program.run(["slider", "matrix", sliders.path, "-o", matrix.path, "--grid", "age,hat"] + common)
            #expect(run.code != 0 && run.errors.contains("--grid"), "\(run.errors)")

            // The random probe sees no such effect; the file stays as it is.
            let before = try Data(contentsOf: smile)
            run = try program.run(["slider", "calibrate", smile.path, "--scales", "-0.01,0,0.01"] + common)
            #expect(run.code != 0 && run.errors.contains("an effect of 0.25"), "\(run.errors)")
            #expect(try Data(contentsOf: smile) == before)
        }
    }

    @Test func `folders hold slider files, or folders with one each`() throws {
        try inTemporaryFolder { folder in
            try FileManager.default.createDirectory(
                at: folder.appending(path: "age"), withIntermediateDirectories: true)
            for name in ["b.safetensors", "age/age.safetensors", "notes.txt"] {
                try Data().write(to: folder.appending(path: name))
            }
            let found = try SliderMatrix.files(in: folder.path).map { $0.dropFirst(folder.path.count + 1) }
            #expect(found == ["age/age.safetensors", "b.safetensors"])
            #expect(throws: UsageError.self) { try SliderMatrix.files(in: folder.path + "/none") }
        }
    }
}
