import ArgumentParser
import DiffusionModels
import Foundation
import Generation
import Interpretability
import TensorCore
import TextModels
import Tokenizers

/// `atelier trace scan`: the sites of a model and the shapes of their values.
struct TraceScan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scan", abstract: "The sites of a model, with the shapes of their values; nothing is computed.",
        discussion:
            "A folder of transformers or a GGUF file is a language model, anything else one that draws pictures.")

    @Option(
        name: [.short, .long],
        help: "A language model, or a model that draws: a folder, a file, or the name of an embedded or cached one.")
    var model: String
    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "The text whose shapes are told (default: one token).")
    var prompt: String?
    @Option(
        parsing: .unconditional, help: "Pixels of a picture's sides, for models that draw (default: the model's own).")
    var size: Int?
    @Option(name: .long, help: "Only sites with this in their path or name.")
    var find: String?
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Flag(help: "Print JSON instead of a table.")
    var json = false

    func run() async throws {
        let report = try TextModelOptions.isLanguageModel(model) ? language() : denoiser()
        let found = find.map { part in report.containing(part) } ?? report
        print(json ? try TraceOutput.json(found) : found.table)
    }

    private func language() throws -> ScanReport {
        guard size == nil else {
            throw UsageError(description: "--size: expected none for a language model, found \(size ?? 0)")
        }
        let text = try TextModel(path: TextModelOptions.path(model))
        let input = prompt.map { PromptInput(text: $0) } ?? PromptInput(tokens: [text.configuration.beginTokenID ?? 0])
        return try ScanReport(TracedTextModel(text), input)
    }

    /// A UNet sees the same shapes for every text: a context has as many tokens as its encoder takes.
    private func denoiser() throws -> ScanReport {
        let network = try StableDiffusion(Assets.store(model, assets: assets))
        let side = size ?? network.defaultSize
        guard side % network.latentFactor == 0, (1...65536).contains(side) else {
            throw UsageError(
                description: "--size: expected a multiple of \(network.latentFactor) up to 65536, found \(side)")
        }
        let latents = Tensor.zeros(
            [network.unet.configuration.inChannels, side / network.latentFactor, side / network.latentFactor])
        let tokens = network.text.encoders[0].tokenizer.modelMaxLength
        let text = TextConditioning(
            context: Tensor.zeros([tokens, network.unet.configuration.contextWidth]),
            pooled: network.text.pooledWidth.map { Tensor.zeros([1, $0]) })
        let added = network.addedConditioning(text, width: side, height: side, isNegative: false)
        return try ScanReport(
            TracedUNet(network.unet, sites: network.sites),
            PromptInput(
                latents: latents, timestep: 0, context: text.context,
                pooledText: added?.pooledText?.selected(0, 0), sizes: added?.timeIDs?.floats.map(Double.init)))
    }
}
