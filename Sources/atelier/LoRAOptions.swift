import ArgumentParser
import Foundation
import Generation

/// Adapters that act while a picture is drawn.
struct LoRAOptions: ParsableArguments {
    @Option(help: "An adapter file and its weight, FILE=0.8 (default weight 1); repeat it for several.")
    var lora: [WeightedFile] = []
    @Option(
        help:
            "A slider by name or file, its scale, and from which share of the noise on it acts: age=1.5@0.8; repeatable."
    )
    var slider: [SliderArgument] = []
    @Option(help: "A stack of sliders (*.stack.yaml).")
    var stack: [String] = []
    @Option(help: "A folder of adapters that prompts and sliders name, <lora:name:0.8>.")
    var loraModelDir: String?
    @Flag(help: "Leave out what an adapter changes in layers that the model has not.")
    var allowUnmatched = false

    /// The prompt without its tags, and the adapters of options, stacks and tags.
    func uses(in prompt: String, modelHash: String, assets: String?) throws -> (prompt: String, adapters: [AdapterUse])
    {
        let tags = try LoRATags(prompt)
        let folders = StackFolders(own: loraModelDir.map { [$0] } ?? [], shipped: try? Assets.sliders(assets))
        var uses = try lora.map { try AdapterUse(path: $0.path, weight: $0.weight) }
        uses += try slider.map { argument in
            var use = try AdapterUse(path: folders.file(of: argument.name), weight: argument.scale)
            use.schedule = argument.start.map { StackSchedule(start: $0) }
            return use
        }
        for path in stack {
            uses += try StackFile(path: path).uses(path: path, folders: folders, modelHash: modelHash)
        }
        uses += try tags.tags.map { try AdapterUse(path: folders.file(of: $0.name), weight: $0.weight) }
        if allowUnmatched { for index in uses.indices { uses[index].allowsUnmatched = true } }
        return (tags.prompt, uses)
    }
}

/// A slider on the command line: `age=1.5@0.8`; the scale is 1 and the start the slider's own where they are missing.
struct SliderArgument: ExpressibleByArgument {
    var name: String
    var scale: Double
    var start: Double?

    init?(argument: String) {
        var text = argument[...]
        if let at = text.lastIndex(of: "@") {
            guard let number = Double(text[text.index(after: at)...]), (0...1).contains(number) else { return nil }
            start = number
            text = text[..<at]
        }
        scale = 1
        if let sign = text.lastIndex(of: "=") {
            guard let number = Double(text[text.index(after: sign)...]), number.isFinite else { return nil }
            scale = number
            text = text[..<sign]
        }
        guard !text.isEmpty else { return nil }
        name = String(text)
    }
}
