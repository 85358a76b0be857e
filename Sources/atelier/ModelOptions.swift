import ArgumentParser
import Generation

/// Files that take the place of a part of the model, or add to one.
struct ModelOptions: ParsableArguments {
    @Option(help: "Another autoencoder: a folder of the diffusers layout, or a safetensors, .ckpt or .pt file.")
    var vae: String?
    @Option(help: "A tiny autoencoder (TAESD) that decodes in the autoencoder's place.")
    var taesd: String?

    func additions() throws -> [ModelAddition] {
        var additions: [ModelAddition] = []
        if let vae { additions.append(try ModelAddition(.autoencoder, path: vae)) }
        if let taesd { additions.append(try ModelAddition(.tinyAutoencoder, path: taesd)) }
        return additions
    }
}
