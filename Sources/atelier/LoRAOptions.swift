import ArgumentParser
import Foundation
import Generation

/// Adapters that act while a picture is drawn.
struct LoRAOptions: ParsableArguments {
    @Option(help: "An adapter file and its weight, FILE=0.8 (default weight 1); repeat it for several.")
    var lora: [WeightedFile] = []
    @Option(
        help:
            "A slider by name or file, its scale, and from which share of the noise on it acts: age=1.5@0.8; repeatable.",
        transform: SliderArgument.init(text:)
    )
    var slider: [SliderArgument] = []
    @Option(
        help:
            "A style by name or file, the strength of its guidance, from which share of the noise on, what follows the prompt: ink=1@0.8,in ink style; repeatable.",
        transform: StyleArgument.init(text:)
    )
    var style: [StyleArgument] = []
    @Option(
        help:
            "A direction between two prompts that is followed without training: \"an old man|a young man=1@0.8\"; repeatable.",
        transform: DirectionArgument.init(text:)
    )
    var direction: [DirectionArgument] = []
    @Option(help: "A stack of sliders and styles (*.stack.yaml).")
    var stack: [String] = []
    @Option(help: "A folder of adapters that prompts and sliders name, <lora:name:0.8>.")
    var loraModelDir: String?
    @Flag(help: "Leave out what an adapter changes in layers that the model has not.")
    var allowUnmatched = false

    /// Where names are looked up.
    ///
    /// - Throws: `GenerationError` for a folder of the user's that is none.
    func folders(assets: String?) throws -> StackFolders {
        try StackFolders(loraModelDir: loraModelDir, assets: assets)
    }

    /// The prompt without its tags, and what options, stacks and tags add to it.
    ///
    /// - Parameter isQuiet: whether nothing is said of adapters that were made for another model of the family.
    func composition(
        in prompt: String, for model: ModelIdentity, assets: String?, isQuiet: Bool = false
    ) throws -> Composition {
        let tags = try LoRATags(prompt)
        let folders = try folders(assets: assets)
        var made = Composition(prompt: tags.prompt)
        made.adapters = try lora.map { try AdapterUse(path: $0.path, weight: $0.weight) }
        made.adapters += try slider.map { argument in
            var use = try AdapterUse(path: folders.file(of: argument.name), weight: argument.scale)
            use.schedule = argument.start.map { StackSchedule(start: $0) }
            return use
        }
        for path in stack {
            try StackFile(path: path).add(to: &made, path: path, folders: folders, model: model)
        }
        made.adapters += try tags.tags.map { try AdapterUse(path: folders.file(ofTag: $0.name), weight: $0.weight) }
        for argument in style {
            try made.add(
                StyleUse(
                    path: folders.file(of: argument.name), strength: argument.strength, start: argument.start,
                    phrase: argument.phrase))
        }
        made.directions += direction.map(\.direction)
        if allowUnmatched { for index in made.adapters.indices { made.adapters[index].allowsUnmatched = true } }
        let remarks = try made.remarks(on: model)
        if !isQuiet { remarks.forEach(complain) }
        return made
    }
}

extension StackFolders {
    /// The folder that the user names, and what ships with the program.
    ///
    /// - Throws: `GenerationError` for a folder that is none.
    init(loraModelDir: String?, assets: String?) throws {
        if let loraModelDir { try checkFolder(loraModelDir, option: "--lora-model-dir") }
        self.init(own: loraModelDir.map { [$0] } ?? [], shipped: try? Assets.sliders(assets))
    }
}

/// Refuses a folder to read from that is not there, or is a file.
func checkFolder(_ path: String, option: String) throws {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    guard exists, isFolder.boolValue else {
        throw GenerationError("\(option) \(path)", expected: "a folder", found: exists ? "a file" : "nothing there")
    }
}

/// A number and a start behind a name: `=1.5@0.8`, both optional.
struct ScaledName {
    var name: String
    var scale: Double?
    var start: Double?

    init?(_ argument: some StringProtocol) {
        var text = Substring(argument)
        if let at = text.lastIndex(of: "@") {
            guard let number = Double(text[text.index(after: at)...]), (0...1).contains(number) else { return nil }
            start = number
            text = text[..<at]
        }
        if let sign = text.lastIndex(of: "=") {
            guard let number = Double(text[text.index(after: sign)...]), number.isFinite else { return nil }
            scale = number
            text = text[..<sign]
        }
        guard !text.isEmpty else { return nil }
        name = String(text)
    }
}

/// An argument that is written in a form of its own, which the message names where another was found.
protocol WrittenArgument {
    static var form: String { get }

    init?(argument: String)
}

extension WrittenArgument {
    init(text: String) throws {
        guard let parsed = Self(argument: text) else { throw ValidationError("expected " + Self.form) }
        self = parsed
    }
}

/// A slider on the command line: `age=1.5@0.8`; the scale is 1 and the start the slider's own where they are missing.
struct SliderArgument: WrittenArgument {
    var name: String
    var scale: Double
    var start: Double?

    static let form = "NAME, NAME=1.5 or NAME=1.5@0.8: a finite scale, and a start from 0 to 1"

    init?(argument: String) {
        guard let parsed = ScaledName(argument) else { return nil }
        (name, scale, start) = (parsed.name, parsed.scale ?? 1, parsed.start)
    }
}

/// A style on the command line: `ink=1@0.8,in ink style`; what is missing is the file's own.
struct StyleArgument: WrittenArgument {
    var name: String
    var strength: Double?
    var start: Double?
    var phrase: String?

    static let form = "NAME, NAME=1, NAME=1@0.8 or NAME=1@0.8,in ink style: a finite strength, and a start from 0 to 1"

    init?(argument: String) {
        let parts = argument.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        guard let parsed = ScaledName(parts[0]) else { return nil }
        (name, strength, start) = (parsed.name, parsed.scale, parsed.start)
        phrase = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : nil
    }
}

/// A direction on the command line: `an old man|a young man=1.5@0.8`.
struct DirectionArgument: WrittenArgument {
    var direction: ConceptDirection

    static let form =
        "\"TO|FROM\", \"TO|FROM=1\" or \"TO|FROM=1@0.8\": two different prompts, a finite scale, and a start from 0 to 1"

    init?(argument: String) {
        guard let parsed = ScaledName(argument) else { return nil }
        let prompts = parsed.name.split(separator: "|", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        guard prompts.count == 2, prompts[0] != prompts[1] else { return nil }
        direction = ConceptDirection(
            from: prompts[1], to: prompts[0], scale: parsed.scale ?? 1, start: parsed.start)
    }
}
