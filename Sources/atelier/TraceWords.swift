import ArgumentParser
import DiffusionModels
import Foundation
import Generation
import Imaging
import Interpretability
import Layers
import TensorCore
import Tokenizers

/// `atelier trace words`: which pixels each word of a prompt drew, and what adapters change of that.
struct TraceWords: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "words", abstract: "Which pixels each word of a diffusion prompt drew.",
        discussion: "With adapters the picture is drawn twice, without and with them, and compared word by word.")

    @Option(name: [.short, .long], help: "A model folder or file, or the name of an embedded model.")
    var model = "mini"
    @Option(name: [.short, .long], parsing: .unconditional, help: "What to draw.")
    var prompt: String
    @Option(name: [.short, .long], parsing: .unconditional, help: "The seed of the picture.")
    var seed: UInt64 = 42
    @Option(parsing: .unconditional, help: "Denoising steps (default: the model's own).")
    var steps: Int?
    @OptionGroup(title: "Adapters") var loras: LoRAOptions
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?
    @OptionGroup var result: TraceOutput

    func run() async throws {
        try result.check()
        try useThreads(threads)
        if let steps, !(1...1000).contains(steps) {
            throw UsageError(description: "--steps: expected 1 to 1000, found \(steps)")
        }
        let store = try Assets.store(model, assets: assets)
        Interrupt.watch()
        let job = self
        try result.give(await ComputeThread.shared.perform { try job.report(store) })
    }

    /// Runs on the compute thread.
    private func report(_ store: any ModelStore) throws -> WordMaps {
        let composition = try loras.composition(in: prompt, for: ModelIdentity(store), assets: assets)
        guard composition.styles.isEmpty && composition.directions.isEmpty else {
            throw UsageError(
                description: "trace words: expected sliders and other adapters, found a style or a direction, "
                    + "which read words in branches of their own")
        }
        let (text, uses) = (composition.prompt, composition.adapters)
        let network = try StableDiffusion(store)
        let words = try words(of: text, network)
        let defaults = try store.samplingDefaults()
        let request = GenerationRequest(
            prompt: text, steps: steps ?? defaults.steps, guidanceScale: defaults.guidanceScale, seed: seed,
            width: network.defaultSize, height: network.defaultSize)
        let base = try draw(request, network, Pass())
        let changed = try network.adapters(uses).map { try draw(request, network, Pass(adaptation: $0)) }
        return WordMaps(words, of: base, changed: changed)
    }

    private func draw(_ request: GenerationRequest, _ network: StableDiffusion, _ pass: Pass) throws -> WordMaps.Run {
        let factor = network.latentFactor
        guard
            let maps = CrossAttentionMaps(
                network.sites, height: request.height / factor, width: request.width / factor)
        else {
            throw TraceError(
                .unknownSite, "model", expected: "layers of cross-attention (attn2)", found: "none",
                advice: "use a model with a text prompt")
        }
        var pass = pass
        pass.plan = maps.plan()
        var denoising = try Denoising(request, model: network, pass: pass)
        var progress = TerminalProgress()
        while !denoising.isComplete {
            if Interrupt.isRequested { throw Interrupted() }
            denoising.advance()
            progress.show("drawing", step: denoising.step, total: denoising.totalSteps)
        }
        return WordMaps.Run(maps: maps, picture: try denoising.picture())
    }

    /// The words of a prompt with the places of their tokens, which follow the start token.
    private func words(of text: String, _ network: StableDiffusion) throws -> [(text: String, places: Range<Int>)] {
        let tokenizer = network.text.encoders[0].tokenizer
        let spans = tokenizer.spans(of: text)
        let most = tokenizer.modelMaxLength - 2
        guard !spans.isEmpty, spans.count <= most, !text.contains(where: { "()[]".contains($0) }) else {
            throw UsageError(
                description: "--prompt: expected 1 to \(most) tokens without weights in brackets, found \(spans.count)")
        }
        return WordMaps.words(of: text, ranges: spans.map(\.range))
    }
}
