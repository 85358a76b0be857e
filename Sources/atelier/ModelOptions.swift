import ArgumentParser
import Generation

/// Files that take the place of a part of the model, or add to one.
struct ModelOptions: ParsableArguments {
    @Option(help: "Another autoencoder: a folder of the diffusers layout, or a safetensors, .ckpt or .pt file.")
    var vae: String?
    @Option(help: "A tiny autoencoder (TAESD) that decodes in the autoencoder's place.")
    var taesd: String?

    @Option(help: "A folder of textual inversions; a file's name without its ending is its word in a prompt.")
    var embdDir: String?

    /// - Parameter prompts: only the textual inversions that they name are read.
    func additions(for prompts: [String]) throws -> [ModelAddition] {
        var additions: [ModelAddition] = []
        if let vae { additions.append(try ModelAddition(.autoencoder, path: vae)) }
        if let taesd { additions.append(try ModelAddition(.tinyAutoencoder, path: taesd)) }
        if let embdDir { additions += try [ModelAddition].embeddings(in: embdDir, for: prompts) }
        return additions
    }
}
