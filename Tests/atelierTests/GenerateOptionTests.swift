import Foundation
import Imaging
import TensorCore
import TestSupport
import Testing
import Weights

/// Options of `atelier generate` beyond the prompt, and that a picture's recipe holds them.
@Suite(.serialized) struct GenerateOptionTests {
    private let program = CommandLineTests()
    private let base = [
        "generate", "-m", CommandLineTests.model, "-p", "a house", "--steps", "2", "-W", "32", "-H", "32",
        "--sampling-method", "euler",
    ]

    /// Options, and what the recipe must say of them.
    static let options: [([String], String)] = [
        (["--vae", Fixtures.path("tiny-vae")], "\"role\":\"vae\""),
        (["--taesd", Fixtures.path("tiny-taesd/taesd_decoder.safetensors")], "\"role\":\"taesd\""),
        (["--vae-tiling", "-W", "64"], "\"vaeTiling\":true"),
        (["--vae-tile-size", "4", "-W", "64"], "\"vaeTileSize\":4"),
        (["--hires", "--hires-scale", "1.5", "--hires-steps", "3"], "\"scale\":1.5"),
        (["--rng", "cuda"], "\"noise\":\"torch cuda float32\""),
    ]

    @Test(arguments: options)
    func `a picture's recipe holds the option, and makes the same picture`(_ options: [String], _ words: String) throws
    {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "x.png").path
            let drawn = try program.run(base + options + ["-o", path])
            #expect(drawn.code == 0, "\(drawn.errors)")
            #expect(try readImage(at: path).metadata["atelier"]?.contains(words) == true)
            let verified = try program.run(["verify", path])
            #expect(verified.code == 0 && verified.output.contains("identical"), "\(verified.output)\(verified.errors)")
        }
    }

    @Test func `a JPEG is verified as a JPEG, and a picture that was painted over is found out`() throws {
        try inTemporaryFolder { folder in
            let (jpeg, png) = (folder.appending(path: "x.jpg").path, folder.appending(path: "x.png").path)
            #expect(try program.run(base + ["-o", jpeg]).code == 0)
            let verified = try program.run(["verify", jpeg])
            #expect(verified.code == 0 && verified.output.contains("identical"), "\(verified.output)\(verified.errors)")
            #expect(try program.run(base + ["-o", png]).code == 0)
            var (image, metadata) = try readImage(at: png)
            image.pixels[100] ^= 0x40
            try writeImage(image, to: png, metadata: metadata)
            let changed = try program.run(["verify", png])
            #expect(changed.code == 1 && changed.output.contains("the picture itself (colours are up to 64 of 255"))
        }
    }

    /// The seed's numbers are others on a GPU, and A1111 calls them NV.
    @Test func `the noise of a GPU is another picture`() throws {
        try inTemporaryFolder { folder in
            let paths = ["cpu", "cuda"].map { folder.appending(path: "\($0).png").path }
            for (rng, path) in zip(["cpu", "cuda"], paths) {
                #expect(try program.run(base + ["--rng", rng, "-o", path]).code == 0)
            }
            let read = try paths.map { try readImage(at: $0) }
            #expect(read[0].image != read[1].image)
            #expect(read[0].metadata["parameters"]?.contains("RNG: CPU") == true)
            #expect(read[1].metadata["parameters"]?.contains("RNG: NV") == true)
            #expect(try program.run(base + ["--rng", "dice", "-o", paths[0]]).code == 2)
        }
    }

    /// A decoder that overflows must not pass for a black picture.
    @Test(arguments: [[], ["--vae-tiling", "-W", "64"], ["--preview", "vae"]])
    func `an autoencoder that gives NaN is named, and no picture is written`(_ options: [String]) throws {
        try inTemporaryFolder { folder in
            var tensors = try SafetensorsFile(path: Fixtures.path("tiny-vae/diffusion_pytorch_model.safetensors"))
                .tensors()
            tensors["decoder.conv_out.bias"] = Tensor([0, .nan, 0] as [Float], shape: [3])
            let vae = folder.appending(path: "vae.safetensors").path
            try writeSafetensors(tensors, to: vae)
            let path = folder.appending(path: "x.png").path
            let look = folder.appending(path: "look.png").path
            let previews = options.contains("--preview") ? ["--preview-path", look] : []
            let outcome = try program.run(base + ["--vae", vae, "-o", path] + options + previews)
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("\(vae): expected an autoencoder that gives finite colours"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["vae.safetensors"])
        }
    }

    /// Winograd's transforms on the embedded model, all of a trajectory.
    @Test func `fast kernels stay within 1e-4 of the plain ones`() throws {
        try inTemporaryFolder { folder in
            let latents = try ["", "plain"].map { kernels in
                let path = folder.appending(path: "\(kernels).safetensors").path
                let outcome = try program.run(
                    [
                        "generate", "-p", "an old man with white hair, smiling", "-s", "5", "--steps", "20",
                        "--cfg-scale", "3", "--save-latents", path, "-o", folder.appending(path: "x.png").path,
                    ], environment: ["ATELIER_KERNELS": kernels])
                #expect(outcome.code == 0, "\(outcome.errors)")
                return try #require(SafetensorsFile(path: path).tensors()["latents"]).floats
            }
            let norm = latents[1].reduce(0.0) { $0 + pow(Double($1), 2) }.squareRoot()
            let distance = zip(latents[0], latents[1]).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }.squareRoot()
            #expect(distance / norm <= 1e-4 && distance > 0)
        }
    }

    @Test func `a dry run prints the recipe and draws nothing`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "x-%d.png").path
            let outcome = try program.run(base + ["-o", path, "--dry-run", "-b", "2", "--precision", "bf16"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            let lines = outcome.output.split(separator: "\n")
            #expect(lines.count == 2)
            for line in lines {
                let recipe = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                #expect(recipe?["sampler"] as? String == "euler" && recipe?["precision"] as? String == "bf16")
                #expect(recipe?["latentsHash"] == nil)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        }
    }

    @Test(arguments: [["proj"], ["vae"], ["tae", "--taesd", Fixtures.path("tiny-taesd")]])
    func `previews are written every few steps and change nothing`(_ preview: [String]) throws {
        try inTemporaryFolder { folder in
            let (path, plain) = (folder.appending(path: "x.png").path, folder.appending(path: "y.png").path)
            let look = folder.appending(path: "look.png").path
            let parts = Array(preview.dropFirst())
            let outcome = try program.run(
                base + parts + ["--preview", preview[0], "--preview-path", look, "-o", path])
            #expect(outcome.code == 0, "\(outcome.errors)")
            let side = preview[0] == "proj" ? 8 : 32
            let seen = try readImage(at: look).image
            #expect(seen.width == side && seen.height == side)
            #expect(try program.run(base + parts + ["-o", plain]).code == 0)
            #expect(try Data(contentsOf: URL(filePath: path)) == Data(contentsOf: URL(filePath: plain)))
        }
    }

    @Test func `a textual inversion is found by its word and kept in the recipe`() throws {
        let values: [Float] = (0..<64).map { index in Float(index % 7) - 3 }
        let ramp = Tensor(values, shape: [2, 32])
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "x.png").path
            try writeSafetensors(
                ["emb_params": ramp], to: folder.appending(path: "shiny.safetensors").path)
            let drawn = try program.run(
                base + ["-p", "a shiny house", "--embd-dir", folder.path, "-o", path])
            #expect(drawn.code == 0, "\(drawn.errors)")
            #expect(try readImage(at: path).metadata["atelier"]?.contains("\"role\":\"embedding\"") == true)
            let verified = try program.run(["verify", path])
            #expect(verified.code == 0 && verified.output.contains("identical"), "\(verified.output)\(verified.errors)")
            #expect(try program.run(["info", path]).output.contains("shiny.safetensors sha256: "))

            // Another file under the same name is another picture, and the verdict says why.
            try writeSafetensors(
                ["emb_params": ramp * -3], to: folder.appending(path: "shiny.safetensors").path)
            let changed = try program.run(["verify", path])
            #expect(
                changed.code == 1 && changed.output.contains("shiny.safetensors (another file)"), "\(changed.output)")
        }
    }

    /// Options, the exit code, and what the one sentence must name.
    static let refusals: [([String], Int32, [String])] = [
        (["--vae", "/nowhere/vae"], 1, ["/nowhere/vae"]),
        (["--vae", Fixtures.path("tiny-clip/model.safetensors")], 1, ["tiny-clip", "autoencoder"]),
        (["--taesd", Fixtures.path("tiny-vae")], 1, ["tiny-vae", "tiny autoencoder"]),
        (["--hires", "--hires-scale", "100"], 2, ["hires scale", "100"]),
        (["--hires", "--hires-upscaler", "magic"], 2, ["--hires-upscaler", "magic", "Latent"]),
        (["--preview", "magic"], 2, ["--preview", "magic", "proj"]),
        (["--preview", "tae"], 2, ["--preview tae", "--taesd"]),
        (["--preview", "proj", "--preview-interval", "0"], 2, ["--preview-interval", "0"]),
        (["--embd-dir", "/nowhere/words"], 1, ["/nowhere/words"]),
        (["--hires", "-i", "x.png"], 2, ["--hires", "--init-img"]),
    ]

    @Test(arguments: refusals)
    func `mistakes are one sentence, in a dry run too`(_ options: [String], _ code: Int32, _ words: [String]) throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "x.png").path
            for more in [[], ["--dry-run"]] {
                let outcome = try program.run(base + options + more + ["-o", path])
                #expect(outcome.code == code, "\(outcome.errors)")
                #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
                for word in words { #expect(outcome.errors.contains(word), "\(word) in \(outcome.errors)") }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        }
    }
}
