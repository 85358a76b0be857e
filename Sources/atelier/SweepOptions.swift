import ArgumentParser
import Foundation
import Generation
import Imaging
import Layers
import TensorCore

/// What `grid` and `morph` share: the model, the picture that is varied, the adapters.
struct SweepOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "A folder in the diffusers layout, a checkpoint file, or an embedded model.")
    var model = "mini"
    @Option(name: [.short, .long], parsing: .unconditional, help: "What to draw.")
    var prompt: String
    @Option(name: [.customShort("n"), .long], parsing: .unconditional, help: "What to avoid.")
    var negativePrompt: String?
    @Option(parsing: .unconditional, help: "Sampling steps (default: the model's own).")
    var steps: Int?
    @Option(help: "How strongly the prompt pulls (default: the model's own).")
    var cfgScale: Double?
    @Option(name: [.short, .long], parsing: .unconditional, help: "The seed.")
    var seed: UInt64 = 42
    @Option(
        name: [.customShort("W"), .long], parsing: .unconditional, help: "Width in pixels (default: the model's own).")
    var width: Int?
    @Option(
        name: [.customShort("H"), .long], parsing: .unconditional, help: "Height in pixels (default: the model's own).")
    var height: Int?
    @OptionGroup(title: "Adapters") var loras: LoRAOptions
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    /// A drawn picture with the recipe that makes it again.
    struct Drawn: Sendable {
        let picture: Image
        let recipe: PictureRecipe
        let cell: SweepCell
    }

    /// Draws every place of a grid, in order; everything is checked before the first one.
    ///
    /// Runs on the compute thread.
    func draw(_ axes: [SweepAxis], places: [[Int]]) throws -> [Drawn] {
        let store = try Assets.store(model, assets: assets)
        let identity = try ModelIdentity(store)
        let modelHash = identity.hash
        let folders = try loras.folders(assets: assets)
        let resolve = { try folders.file(of: $0) }
        do {
            try SweepAxis.checkDistinct(axes, resolve: resolve)
        } catch let error as GenerationError where error.subject == "--axis" {
            throw UsageError(description: error.description)
        }
        let network = try StableDiffusion(store)
        let defaults = try store.samplingDefaults()
        let base = GenerationRequest(
            prompt: prompt, negativePrompt: negativePrompt, steps: steps ?? defaults.steps,
            guidanceScale: cfgScale ?? defaults.guidanceScale, seed: seed, width: width ?? network.defaultSize,
            height: height ?? network.defaultSize)
        // Cells whose prompts have the same tags have the same adapters; their files are read once.
        var known: [[LoRATags.Tag]: Composition] = [:]
        let cells = try places.map { place in
            try SweepCell(axes, at: place, from: base, resolve: resolve) { prompt in
                let tags = try LoRATags(prompt)
                var made =
                    try known[tags.tags]
                    ?? loras.composition(in: prompt, for: identity, assets: assets, isQuiet: true)
                known[tags.tags] = made
                made.prompt = tags.prompt
                return made
            }
        }
        try Composition(prompt: "", adapters: cells.flatMap(\.adapters)).remarks(on: identity).forEach(complain)
        for cell in cells {
            try cell.request.validate(for: network)
            _ = try cell.request.makeSampler(network.scheduler)
            try network.checkActing(cell.adapters, in: cell.request)
        }
        let stacks = try cells.map { try network.adapters($0.adapters) }
        var progress = TerminalProgress()
        let model = model
        return try ComputeThread.shared.concurrently(
            cells.count,
            progress: { done in
                if Interrupt.isRequested { throw Interrupted() }
                progress.show("drawing", step: done, total: cells.count)
            }
        ) { index in
            let cell = cells[index]
            var denoising = try Denoising(cell.request, model: network, pass: Pass(adaptation: stacks[index]))
            denoising.advanceToEnd()
            var recipe = PictureRecipe(
                engine: engineVersion, model: model, modelHash: modelHash, precision: .fp32, request: cell.request)
            recipe.adapters = cell.adapters.isEmpty ? nil : cell.adapters
            recipe.note(denoising)
            return Drawn(picture: try denoising.picture(), recipe: recipe, cell: cell)
        }
    }
}
