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
    private static let sliders = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../Sliders").standardized.path
    private let commands = CommandLineTests()

    private func run(_ arguments: String...) throws -> CommandLineTests.Outcome { try commands.run(arguments) }

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
            let peft = "\(folder.path)/peft.safetensors"
            var outcome = try run(
                "adapters", "convert", Self.slider, peft, "--format", "peft", "--dtype", "f32", "-m", Self.model)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try SafetensorsFile(path: peft).names.allSatisfy { $0.hasPrefix("unet.") && $0.contains(".lora_") })
            let doubled = "\(folder.path)/doubled.safetensors"
            outcome = try run("adapters", "add", "\(peft)=1.5", "\(Self.slider)=-0.5", "-m", Self.model, "-o", doubled)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let small = "\(folder.path)/small.safetensors"
            outcome = try run("adapters", "compress", doubled, "--rank", "4", "-m", Self.model, "-o", small)
            #expect(outcome.code == 0 && outcome.errors.contains("kept 100.00 %"), "\(outcome.errors)")
            func latents(_ lora: String, _ name: String) throws -> Tensor {
                let path = "\(folder.path)/\(name).safetensors"
                let outcome = try run(
                    "generate", "-m", Self.model, "-p", "a house", "--steps", "2", "-W", "32", "-H", "32", "--lora",
                    lora, "-o", "\(folder.path)/\(name).png", "--save-latents", path)
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
            let picture = "\(folder.path)/a.png"
            let adapter = "\(folder.path)/age.pt"
            try FileManager.default.copyItem(atPath: Self.slider, toPath: adapter)
            var outcome = try run(
                "generate", "-m", Self.model, "-p", "a house <lora:age:0.75>", "--lora-model-dir", folder.path,
                "--steps", "2", "-W", "32", "-H", "32", "-o", picture)
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
            var outcome = try run("adapters", "merge", Self.model, "\(Self.slider)=2", "-o", "\(folder.path)/merged")
            #expect(outcome.code == 0, "\(outcome.errors)")
            outcome = try run(
                "adapters", "extract", "\(folder.path)/merged", Self.model, "--rank", "4", "-o",
                "\(folder.path)/x.safetensors")
            #expect(outcome.code == 0 && outcome.errors.contains("kept 100.00 %"), "\(outcome.errors)")
            let inspected = try run("adapters", "inspect", "\(folder.path)/x.safetensors", "-m", Self.model)
            #expect(inspected.output.contains("atelier.provenance"))
        }
    }

    @Test func `a 16-bit model merges into a 32-bit one without rounding between`() throws {
        try inTemporaryFolder { folder in
            func run(_ arguments: String...) throws {
                let outcome = try commands.run(arguments)
                #expect(outcome.code == 0, "\(outcome.errors)")
            }
            try run("models", "convert", Self.model, "--type", "f16", "-o", "\(folder.path)/half")
            try run("models", "convert", "\(folder.path)/half", "--type", "f32", "-o", "\(folder.path)/wide")
            for (base, name) in [("half", "a"), ("wide", "b")] {
                try run(
                    "adapters", "merge", "\(folder.path)/\(base)", "\(Self.slider)=0.7", "--type", "f32", "-o",
                    "\(folder.path)/\(name)")
            }
            func unet(_ name: String) throws -> SafetensorsFile {
                try SafetensorsFile(path: "\(folder.path)/\(name)/unet/diffusion_pytorch_model.safetensors")
            }
            let (a, b, base) = (try unet("a"), try unet("b"), try unet("wide"))
            var changed = 0
            for name in b.names {
                let (x, y) = (try #require(try a.tensor(name)), try #require(try b.tensor(name)))
                #expect(x.dtype == .float32 && isBitEqual(x, y), "\(name)")
                if try !isBitEqual(y, #require(try base.tensor(name))) { changed += 1 }
            }
            #expect(changed > 10)
        }
    }

    @Test func `a stack says what is wrong with it before any compute`() throws {
        try inTemporaryFolder { folder in
            try FileManager.default.copyItem(atPath: Self.slider, toPath: "\(folder.path)/age.v2.pt")
            let path = "\(folder.path)/a.stack.yaml"
            func draw(_ text: String) throws -> CommandLineTests.Outcome {
                try Data(text.utf8).write(to: URL(filePath: path))
                return try run(
                    "generate", "-m", Self.model, "-p", "a cat", "--stack", path, "--steps", "2", "-W", "32", "-H",
                    "32", "--dry-run", "-o", "\(folder.path)/a.png")
            }
            let right = try draw("schema: 1\nentries: [{slider: age.v2, scale: 1, combine: replace}]")
            #expect(right.code == 0 && right.output.contains("\"combine\":\"replace\""), "\(right.errors)")
            #expect(right.errors.isEmpty)
            for (entry, words) in [
                ("slider: none, scale: 1", "entry 2 (none): expected a file none.safetensors in"),
                ("slider: age.v2, scale: 1, gains: [{part: x_block, gain: 1}]", "entry 2 (age.v2): gains: expected"),
                ("slider: age.v2, scale: 1, region: {box: [0, 0, 2, 1]}", "entry 2 (age.v2): region box"),
                ("slider: age.v2, scale: 1, from: 2000", "entry 2 (age.v2): from, to"),
                ("slider: age.v2, scale: 1, combine: over", "combine"),
            ] {
                let wrong = try draw("schema: 1\nentries: [{slider: age.v2, scale: 1}, {\(entry)}]")
                #expect(wrong.code == 1 && wrong.errors.contains(words), "\(wrong.errors)")
                #expect(wrong.errors.split(separator: "\n").count == 1, "\(wrong.errors)")
            }
            let family = try draw("schema: 1\nbase: sdxl\nentries: [{slider: age.v2, scale: 1}]")
            #expect(family.code == 1 && family.errors.contains("a.stack.yaml: base: expected sdxl"), "\(family.errors)")
        }
    }

    @Test func `a slider of another model of the family is remarked on stderr`() throws {
        try inTemporaryFolder { folder in
            let file = try #require(
                try FileManager.default.contentsOfDirectory(atPath: Self.sliders).contains("smile")
                    ? SafetensorsFile(path: "\(Self.sliders)/smile/smile.safetensors") : nil)
            var metadata = file.header.metadata
            metadata["atelier.slider"] = metadata["atelier.slider"]?.replacing(
                /"base":"[0-9a-f]+"/, with: "\"base\":\"\(String(repeating: "0", count: 64))\"")
            let tensors = try Dictionary(
                uniqueKeysWithValues: file.names.map { ($0, try #require(try file.tensor($0))) })
            try writeSafetensors(tensors, metadata: metadata, to: "\(folder.path)/smile.safetensors")
            func draw(_ path: String) throws -> CommandLineTests.Outcome {
                try run("generate", "-p", "a woman", "--slider", "\(path)=1", "--dry-run", "-o", "\(folder.path)/a.png")
            }
            let other = try draw("\(folder.path)/smile.safetensors")
            #expect(other.code == 0, "\(other.errors)")
            #expect(other.errors.hasPrefix("atelier: smile: made for the model 000000000000, used with "))
            #expect(other.errors.split(separator: "\n").count == 1)
            let own = try draw("smile")
            #expect(own.code == 0 && own.errors.isEmpty, "\(own.errors)")
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
                    ["adapters"] + arguments + ["-m", Self.model, "-o", "\(folder.path)/out.safetensors"])
                #expect(outcome.code == 0, "\(arguments): \(outcome.errors)")
            }
            let outcome = try run(
                "adapters", "orthogonalize", Self.slider, other, "-m", Self.model, "--rank", "6", "-o",
                "\(folder.path)/set")
            #expect(outcome.output.contains("\(folder.path)/set/slider-f16.safetensors"), "\(outcome.errors)")
        }
    }

    @Test func `outputs of others are left as they are`() throws {
        try inTemporaryFolder { folder in
            let mine = "\(folder.path)/mine"
            try FileManager.default.createDirectory(atPath: mine, withIntermediateDirectories: false)
            let other = "\(mine)/other.pt"
            try FileManager.default.copyItem(atPath: Self.slider, toPath: other)
            let kept = "\(mine)/slider-f16.safetensors"
            try Data("mine".utf8).write(to: URL(filePath: kept))
            for command in [
                ["adapters", "merge", Self.model, "\(Self.slider)=1", "-o", mine],
                ["models", "convert", Self.model, "-o", mine],
                ["adapters", "orthogonalize", Self.slider, other, "-m", Self.model, "-o", mine],
                ["adapters", "orthogonalize", Self.slider, other, "-m", Self.model, "-o", kept],
            ] {
                let outcome = try commands.run(command)
                #expect(outcome.code == 1 && outcome.errors.contains("nothing was written"), "\(outcome.errors)")
                #expect(outcome.errors.split(separator: "\n").count == 1)
                #expect(
                    try FileManager.default.contentsOfDirectory(atPath: mine).sorted()
                        == ["other.pt", "slider-f16.safetensors"])
                #expect(try Data(contentsOf: URL(filePath: kept)) == Data("mine".utf8))
            }
            // Its own results are replaced, its inputs never.
            let set = "\(folder.path)/set"
            let command = ["adapters", "orthogonalize", Self.slider, other, "-m", Self.model, "-o", set]
            for _ in 0..<2 { #expect(try commands.run(command).code == 0) }
            let again = try run(
                "adapters", "orthogonalize", "\(set)/other.safetensors", Self.slider, "-m", Self.model, "-o", set)
            #expect(again.code == 1 && again.errors.contains("one of the inputs; nothing was written"))
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
