public import ArgumentParser
import DiffusionModels
import Foundation
import Generation
import Imaging
import TensorCore
public import Training
import Weights

/// `atelier pairs stylegan`: pictures of a StyleGAN2 generator that differ in one channel or along one direction.
struct PairsStyleGAN: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stylegan", abstract: "Pictures of a StyleGAN2 generator, moved along one channel or direction.",
        discussion: """
            atelier pairs stylegan -g ffhq.safetensors --channel b64.conv1:77 --amount 5 --truncation 0.7 -o pairs/cheeks
            atelier pairs stylegan -g ffhq.safetensors --direction age.safetensors --amount 2 -o pairs/age

            The file has the generator's tensors (G_ema) under their official names, as safetensors.
            """)

    @Option(name: [.customShort("g"), .long], help: "The generator, a safetensors file.")
    var generator: String
    @Option(help: "A channel of StyleSpace, b64.conv1:77; --list-channels names them.")
    var channel: String?
    @Option(help: "A direction of styles: a safetensors file with one tensor, or FILE:NAME.")
    var direction: String?
    @Option(
        parsing: .unconditional,
        help: "How far at scale 1: deviations of the channel, or multiples of the direction.")
    var amount = 3.0
    @Option(parsing: .unconditional, help: "The slider's scale of each level; for each its opposite.")
    var scales = LevelScales([-1, 1])
    @Option(help: "How many pairs.")
    var count = 8
    @Option(name: [.short, .long], help: "The seed of the first picture; picture i uses seed + i.")
    var seed: UInt64 = 0
    @Option(help: "How varied the pictures are: 1 as trained, 0 all the mean.")
    var truncation = 0.7
    @Option(help: "The layers that are truncated, from the first (default: all).")
    var truncatedLayers: Int?
    @Option(help: "The noise: constant, none, or random, drawn once for each pair.")
    var noise = StyleGANLevels.Noise.constant
    @Option(name: .customLong("class"), help: "The class, for a generator of classes.")
    var label: Int?
    @Option(help: "Width and height in pixels (default: the generator's).")
    var size: Int?
    @Flag(help: "List the layers with the number of their channels, and draw nothing.")
    var listChannels = false
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?
    @OptionGroup var options: PairsOptions

    func validate() throws {
        guard listChannels || (channel == nil) != (direction == nil) else {
            throw ValidationError(
                "expected --channel or --direction, found \(channel == nil ? "neither" : "both")")
        }
        guard amount.isFinite else { throw ValidationError("--amount: expected a number, found \(amount)") }
        guard (0...2).contains(truncation) else {
            throw ValidationError("--truncation: expected 0 to 2, found \(truncation)")
        }
        if let truncatedLayers, truncatedLayers < 1 {
            throw ValidationError("--truncated-layers: expected 1 or more, found \(truncatedLayers)")
        }
        guard (1...10_000).contains(count) else {
            throw ValidationError("--count: expected 1 to 10000, found \(count)")
        }
        if let size, !(8...4096).contains(size) {
            throw ValidationError("--size: expected 8 to 4096, found \(size)")
        }
    }

    func run() async throws {
        try useThreads(threads)
        let levels = try options.levels(scales.numbers)
        Interrupt.watch()
        let job = self
        try await ComputeThread.shared.perform { try job.draw(levels) }
    }

    /// Runs on the compute thread.
    private func draw(_ levels: LevelFolders) throws {
        let (model, unused) = try StyleGAN2.load(path: generator)
        if !unused.isEmpty { complain("\(generator): \(unused.count) unused keys, such as \(unused[0])") }
        if listChannels {
            for layer in model.styleLayers { print("\(layer.name): \(layer.channels)") }
            return
        }
        let (change, name) = try change(of: model)
        let pairs = try StyleGANLevels(
            model, change, amounts: levels.levels.map { $0.scale * amount },
            truncation: StyleTruncation(psi: truncation, layers: truncatedLayers), noise: noise, seed: seed,
            label: label)
        try options.write(
            PairsOptions.numbered(count), to: levels, name: name,
            origin: "\(count) pictures of \(URL(filePath: generator).lastPathComponent) from seed \(seed), moved along "
                + "\(channel ?? direction ?? "") by \(amount) a unit of scale, made by `atelier pairs stylegan`."
        ) { index in
            let pictures = pairs.pictures(index)
            guard let size else { return pictures }
            return pictures.map { $0.resized(width: size, height: size) }
        }
    }

    private func change(of model: StyleGAN2) throws -> (StyleGANLevels.Change, name: String) {
        if let channel {
            let parts = channel.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let number = Int(parts[1]) else {
                throw UsageError(
                    description: "--channel: expected LAYER:NUMBER, such as b64.conv1:77, found \(channel)")
            }
            return (.channel(layer: String(parts[0]), channel: number), "\(parts[0])-\(number)")
        }
        let text = direction ?? ""
        var (path, key): (String, String?) = (text, nil)
        if !FileManager.default.fileExists(atPath: text), let colon = text.lastIndex(of: ":") {
            (path, key) = (String(text[..<colon]), String(text[text.index(after: colon)...]))
        }
        let file = try SafetensorsFile(path: path)
        guard let name = key ?? (file.names.count == 1 ? file.names.first : nil), let stored = try file.tensor(name)
        else {
            throw GenerationError(
                path, expected: key.map { "a tensor \($0)" } ?? "one tensor, or its name after a colon",
                found: file.names.sorted().prefix(8).joined(separator: ", "))
        }
        // [size] and [count, size] are what others write, too.
        var tensor = stored.converted(to: .float32)
        if tensor.rank == 1 { tensor = tensor.unsqueezed(0) }
        if tensor.rank == 2 { tensor = tensor.unsqueezed(0) }
        return (.direction(tensor), URL(filePath: path).deletingPathExtension().lastPathComponent)
    }
}

extension StyleGANLevels.Noise: ExpressibleByArgument {}
