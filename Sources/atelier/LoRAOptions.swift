import ArgumentParser
import Generation

/// Adapters that act while a picture is drawn.
struct LoRAOptions: ParsableArguments {
    @Option(help: "An adapter file and its weight, FILE=0.8 (default weight 1); repeat it for several.")
    var lora: [WeightedFile] = []
    @Option(help: "A folder of adapters that prompts name, <lora:name:0.8>.")
    var loraModelDir: String?
    @Flag(help: "Leave out what an adapter changes in layers that the model has not.")
    var allowUnmatched = false

    /// The prompt without its tags, and the adapters of options and tags.
    func uses(in prompt: String) throws -> (prompt: String, adapters: [AdapterUse]) {
        let tags = try LoRATags(prompt)
        var uses = try lora.map {
            try AdapterUse(path: $0.path, weight: $0.weight, allowsUnmatched: allowUnmatched)
        }
        for tag in tags.tags {
            let path = try LoRATags.file(of: tag.name, in: loraModelDir.map { [$0] } ?? [])
            uses.append(try AdapterUse(path: path, weight: tag.weight, allowsUnmatched: allowUnmatched))
        }
        return (tags.prompt, uses)
    }
}
