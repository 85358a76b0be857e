import ArgumentParser
import DiffusionModels
import Generation
import Interpretability
import Samplers
import TensorCore

/// How a model draws while its graphs run.
struct TracedDrawingOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: "Denoising steps of a model that draws (default: its own); a graph may trace fewer.")
    var samplingSteps: Int?
    @Option(parsing: .unconditional, help: "Guidance scale of a model that draws (default: its own); 1 is without.")
    var cfgScale: Double?
    @Option(name: [.customShort("n"), .long], parsing: .unconditional, help: "What a model that draws is to avoid.")
    var negativePrompt: String?
    @Option(parsing: .unconditional, help: "Pixels of a picture's sides (default: the model's own).")
    var size: Int?

    /// Whether anything was said that a language model has no use for.
    var isGiven: Bool { samplingSteps != nil || cfgScale != nil || size != nil || negativePrompt != nil }
}

/// A model that draws, under the tracing engine: prompts of a graph may be a text with a seed, and a step is one evaluation
/// of the UNet.
struct TracedDrawing {
    let denoiser: TracedDenoiser
    private let network: StableDiffusion
    private let side: Int

    init(_ store: any ModelStore, _ options: TracedDrawingOptions) throws {
        network = try StableDiffusion(store)
        side = options.size ?? network.defaultSize
        let defaults = try store.samplingDefaults()
        let scale = options.cfgScale ?? defaults.guidanceScale
        let request = GenerationRequest(
            prompt: "", negativePrompt: options.negativePrompt, steps: options.samplingSteps ?? defaults.steps,
            guidanceScale: scale, width: side, height: side)
        try request.validate(for: network)
        let unet = TracedUNet(network.unet, sites: network.sites)
        var guidance: TracedDenoiser.Guidance?
        if scale != 1 {
            let away = network.text(options.negativePrompt ?? "")
            // As in drawing: without a negative prompt SDXL was trained on zeros, the others on the empty text.
            let isZero = options.negativePrompt == nil && network.unet.configuration.additionEmbedType != nil
            func vector(_ x: Tensor) -> Tensor { isZero ? .zeros(Array(x.shape.dropFirst())) : x.selected(0, 0) }
            guidance = TracedDenoiser.Guidance(
                scale: scale, unconditional: vector(away.context),
                unconditionalPooledText: network.readsSizes ? away.pooled.map(vector) : nil)
        }
        denoiser = TracedDenoiser(unet, sampler: try request.makeSampler(network.scheduler), guidance: guidance)
    }

    /// The session with latents and contexts for the prompts that are texts: what `generate` begins with at that seed.
    func resolved(_ session: InterventionSession) throws -> InterventionSession {
        InterventionSession(
            try session.graphs.map { graph in
                var graph = graph
                graph.prompts = try graph.prompts.map(resolved)
                return graph
            })
    }

    private func resolved(_ prompt: PromptInput) throws -> PromptInput {
        guard prompt.latents == nil, let text = prompt.text else { return prompt }
        let factor = network.latentFactor
        var random = TorchGenerator(seed: prompt.seed ?? 42)
        let noise = random.normal([1, network.unet.configuration.inChannels, side / factor, side / factor])
        let reading = network.text(text)
        let added = network.addedConditioning(reading, width: side, height: side, isNegative: false)
        return PromptInput(
            latents: noise.selected(0, 0), timestep: 0, context: reading.context.selected(0, 0),
            pooledText: added?.pooledText?.selected(0, 0), sizes: added?.timeIDs?.floats.map(Double.init))
    }
}
