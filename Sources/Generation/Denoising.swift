import DiffusionModels
public import Imaging
public import Layers
import Samplers
public import TensorCore

/// One picture in the making: each `step()` removes some noise.
///
/// A value: copy it to branch off, drop it to stop.
///
/// Follows diffusers `pipeline_stable_diffusion.py`: rows are [unconditional, conditional], the initial noise is
/// scaled by the sampler, the final latents are divided by the autoencoder's scaling factor.
public struct Denoising: Sendable {
    public private(set) var latents: Tensor
    /// Steps done.
    public private(set) var step = 0
    private var sampler: Sampler
    /// Evaluations of the model done.
    private var evaluation = 0
    private var random: TorchGenerator
    private let model: StableDiffusion
    private let guided: GuidedRows
    private let pass: Pass

    /// Encodes the prompts and draws the initial noise.
    ///
    /// - Throws: `GenerationError` for a size or count that the model cannot do; the sampler's error for its name.
    public init(_ request: GenerationRequest, model: StableDiffusion, pass: Pass = Pass()) throws {
        try request.validate(for: model)
        self.model = model
        self.pass = pass
        sampler = try request.makeSampler(model.scheduler)
        random = TorchGenerator(seed: request.seed)
        guided = GuidedRows(request, model, pass)
        let factor = model.latentFactor
        let shape = [1, model.unet.configuration.inChannels, request.height / factor, request.width / factor]
        latents = random.normal(shape) * Double(sampler.initialNoiseScale)
    }

    public var totalSteps: Int { sampler.stepCount }
    public var isComplete: Bool { step == totalSteps }
    /// The sampler's canonical name.
    public var samplerName: String { sampler.method.name }

    /// Takes the next step, which asks the model as often as the sampler needs.
    public mutating func advance() {
        precondition(!isComplete, "advance: all \(totalSteps) steps are done")
        var isWithinStep = true
        while isWithinStep {
            evaluate()
            isWithinStep = !sampler.evaluations[evaluation - 1].completesStep
        }
        step += 1
    }

    /// Asks the model once.
    private mutating func evaluate() {
        let input = sampler.modelInput(latents, at: evaluation)
        let output = guided.predict(input, timestep: sampler.evaluations[evaluation].timestep, model.unet, pass)
        latents = sampler.step(output, latents: latents, at: evaluation, random: &random)
        evaluation += 1
    }

    /// The picture of the present latents.
    public func picture() -> Image {
        model.autoencoder.decode(model.autoencoder.unscaled(latents), pass).images()[0]
    }
}
