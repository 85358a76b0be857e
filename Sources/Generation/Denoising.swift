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
    private let context: Tensor
    private let guidanceScale: Double
    private let guidanceRescale: Double
    private let pass: Pass

    /// Encodes the prompts and draws the initial noise.
    ///
    /// - Throws: `GenerationError` for a size or count that the model cannot do; the sampler's error for its name.
    public init(_ request: GenerationRequest, model: StableDiffusion, pass: Pass = Pass()) throws {
        try request.validate(for: model)
        self.model = model
        self.pass = pass
        guidanceScale = request.guidanceScale
        guidanceRescale = request.guidanceRescale ?? 0
        sampler = try request.makeSampler(model.scheduler)
        random = TorchGenerator(seed: request.seed)
        let prompts = guidanceScale > 1 ? [request.negativePrompt, request.prompt] : [request.prompt]
        context = model.encode(prompts, pass)
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
        let rows = context.size(0)
        let timesteps = Tensor([Float](repeating: sampler.evaluations[evaluation].timestep, count: rows))
        let batch = rows == 1 ? input : concatenated([input, input], axis: 0)
        let output = model.unet(batch, timesteps: timesteps, context: context, pass)
        latents = sampler.step(guided(output), latents: latents, at: evaluation, random: &random)
        evaluation += 1
    }

    /// Classifier-free guidance: `unconditional + scale * (conditional - unconditional)`, rescaled as asked for.
    private func guided(_ output: Tensor) -> Tensor {
        guard output.size(0) == 2 else { return output }
        let rows = output.chunked(0, count: 2)
        let guided = rows[0] + guidanceScale * (rows[1] - rows[0])
        return rescaledGuidance(guided, conditional: rows[1], share: guidanceRescale)
    }

    /// The picture of the present latents.
    public func picture() -> Image {
        model.autoencoder.decode(model.autoencoder.unscaled(latents), pass).images()[0]
    }
}
