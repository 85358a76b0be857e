import Foundation
import Imaging
import TensorCore
import TestSupport
import Testing
import Weights

/// `atelier adapters` and `generate --lora` as a user meets them.
@Suite(.serialized) struct AdapterCommandTests {
    private static let model = Fixtures.path("tiny-sd")
    private static let slider = Fixtures.path("adapters/slider-f16.pt")
    private let commands = CommandLineTests()

    private func run(_ arguments: String...) throws -> CommandLineTests.Outcome { try commands.run(arguments) }

    private func inTemporaryFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "atelier-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }

    @Test func `inspect says what a file is`() throws {
        let outcome = try run("adapters", "inspect", Self.slider, "-m", Self.model, "--json")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        #expect(report["format"] as? String == "kohya")
        #expect((report["kinds"] as? [String: Int])?.keys.sorted() == ["lora"])
        #expect((report["ranks"] as? [String: Int])?.keys.sorted() == ["4"])
        #expect((report["scales"] as? [String: Int])?.keys.sorted() == ["0.25"])
        #expect((report["types"] as? [String: Int])?.keys.sorted() == ["float16"])
        #expect((report["unmatched"] as? [String])?.isEmpty == true)
        // Without a model that it fits, it still says what there is.
        let plain = try run("adapters", "inspect", Self.slider)
        #expect(plain.code == 0 && plain.output.contains("for no model known here"))
        let checkpoint = try run("adapters", "inspect", "\(Self.model)/unet/diffusion_pytorch_model.safetensors")
        #expect(checkpoint.code == 1 && checkpoint.errors.contains("a whole model?"))
    }

    @Test func `convert, add, compress and draw with the result`() throws {
        try inTemporaryFolder { folder in
            let peft = "\(folder)/peft.safetensors"
            var outcome = try run(
                "adapters", "convert", Self.slider, peft, "--format", "peft", "--dtype", "f32", "-m", Self.model)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try SafetensorsFile(path: peft).names.allSatisfy { $0.hasPrefix("unet.") && $0.contains(".lora_") })
            let doubled = "\(folder)/doubled.safetensors"
            outcome = try run("adapters", "add", "\(peft)=1.5", "\(Self.slider)=-0.5", "-m", Self.model, "-o", doubled)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let small = "\(folder)/small.safetensors"
            outcome = try run("adapters", "compress", doubled, "--rank", "4", "-m", Self.model, "-o", small)
            #expect(outcome.code == 0 && outcome.errors.contains("kept 100.00 %"), "\(outcome.errors)")
            func latents(_ lora: String, _ name: String) throws -> Tensor {
                let path = "\(folder)/\(name).safetensors"
                let outcome = try run(
                    "generate", "-m", Self.model, "-p", "a house", "--steps", "2", "-W", "32", "-H", "32", "--lora",
                    lora, "-o", "\(folder)/\(name).png", "--save-latents", path)
                #expect(outcome.code == 0, "\(outcome.errors)")
                return try #require(try SafetensorsFile(path: path).tensor("latents"))
            }
            let (one, other) = (try latents(Self.slider, "a"), try latents(small, "b"))
            #expect(largestError(one, other) <= 1e-3)
            #expect(try maximumDifference(latents("\(Self.slider)=0", "c"), one) > 1e-2)
        }
    }

    @Test func `a prompt's adapters are in the picture's recipe`() throws {
        try inTemporaryFolder { folder in
            let picture = "\(folder)/a.png"
            let adapter = "\(folder)/age.pt"
            try FileManager.default.copyItem(atPath: Self.slider, toPath: adapter)
            var outcome = try run(
                "generate", "-m", Self.model, "-p", "a house <lora:age:0.75>", "--lora-model-dir", folder, "--steps",
                "2", "-W", "32", "-H", "32", "-o", picture)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let info = try run("info", picture)
            #expect(info.output.contains("<lora:age:0.75>") && info.output.contains("weight 0.75 sha256"))
            outcome = try run("verify", picture)
            #expect(outcome.code == 0 && outcome.output.contains("identical"), "\(outcome.errors)")
            try FileManager.default.removeItem(atPath: adapter)
            try FileManager.default.copyItem(atPath: Fixtures.path("adapters/slider-bf16.pt"), toPath: adapter)
            outcome = try run("verify", picture)
            #expect(outcome.code == 1 && outcome.output.contains("the adapter \(adapter) (another file)"))
        }
    }

    @Test func `merge and extract are each other's opposite`() throws {
        try inTemporaryFolder { folder in
            var outcome = try run("adapters", "merge", Self.model, "\(Self.slider)=2", "-o", "\(folder)/merged")
            #expect(outcome.code == 0, "\(outcome.errors)")
            outcome = try run(
                "adapters", "extract", "\(folder)/merged", Self.model, "--rank", "4", "-o", "\(folder)/x.safetensors")
            #expect(outcome.code == 0 && outcome.errors.contains("kept 100.00 %"), "\(outcome.errors)")
            let inspected = try run("adapters", "inspect", "\(folder)/x.safetensors", "-m", Self.model)
            #expect(inspected.output.contains("atelier.provenance"))
        }
    }

    @Test func `the rest of the algebra writes files`() throws {
        try inTemporaryFolder { folder in
            let other = Fixtures.path("adapters/locon.safetensors")
            for arguments in [
                ["negate", Self.slider], ["scale", Self.slider, "--by", "-2"],
                ["interpolate", Self.slider, other, "--at", "0.25"], ["project-out", Self.slider, other],
                ["project-out", Self.slider, other, "--scope", "whole", "--format", "sliders"],
            ] {
                let outcome = try commands.run(
                    ["adapters"] + arguments + ["-m", Self.model, "-o", "\(folder)/out.safetensors"])
                #expect(outcome.code == 0, "\(arguments): \(outcome.errors)")
            }
            let outcome = try run(
                "adapters", "orthogonalize", Self.slider, other, "-m", Self.model, "--rank", "6", "-o",
                "\(folder)/set")
            #expect(outcome.output.contains("\(folder)/set/slider-f16.safetensors"), "\(outcome.errors)")
        }
    }

    @Test func `wrong use is one sentence`() throws {
        for (arguments, code, words) in [
            (["convert", Self.slider, "x.safetensors", "--format", "webui"], 2, "--format: expected any of kohya"),
            (["negate", Self.slider, "-o", "x.pt"], 2, "ends in .safetensors"),
            (["inspect", "/nothing.pt"], 1, "/nothing.pt"),
            (["negate", Self.slider, "-o", "/tmp/x.safetensors"], 1, "found"),
            (["compress", Self.slider, "--rank", "0", "-o", "x.safetensors"], 2, "--rank: expected a number above 0"),
            (["negate", Fixtures.path("adapters/dora-rows.safetensors"), "-o", "x.safetensors"], 1, "found"),
        ] as [([String], Int32, String)] {
            let outcome = try commands.run(["adapters"] + arguments)
            #expect(outcome.code == code && outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }
        let missing = try run(
            "generate", "-m", Self.model, "-p", "x <lora:none>", "--lora-model-dir", "/tmp", "-o", "/tmp/x.png")
        #expect(missing.code == 1 && missing.errors.contains("<lora:none>: expected a file none.safetensors"))
        let foreign = try run(
            "generate", "-m", "mini", "-p", "x", "--lora", Self.slider, "--dry-run", "-o", "/tmp/x.png")
        #expect(foreign.code == 1 && foreign.errors.contains("slider-f16.pt"), "\(foreign.errors)")
    }
}
