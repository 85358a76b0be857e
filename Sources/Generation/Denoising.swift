import DiffusionModels
public import Imaging
public import Layers
public import Samplers
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
    private var random: TorchGenerator
    private let model: StableDiffusion
    private let context: Tensor
    private let guidanceScale: Double
    private let pass: Pass

    /// Encodes the prompts and draws the initial noise.
    ///
    /// - Throws: `GenerationError` for a size or count that the model cannot do; the sampler's error for its name.
    public init(_ request: GenerationRequest, model: StableDiffusion, pass: Pass = Pass()) throws {
        try request.validate(for: model)
        self.model = model
        self.pass = pass
        guidanceScale = request.guidanceScale
        sampler = try Sampler(
            named: request.sampler ?? model.scheduler.samplerName, configuration: model.scheduler,
            steps: request.steps)
        random = TorchGenerator(seed: request.seed)
        let prompts = guidanceScale > 1 ? [request.negativePrompt, request.prompt] : [request.prompt]
        context = model.encode(prompts, pass)
        let factor = model.latentFactor
        let shape = [1, model.unet.configuration.inChannels, request.height / factor, request.width / factor]
        latents = random.normal(shape) * Double(sampler.initialNoiseScale)
    }

    public var totalSteps: Int { sampler.timesteps.count }
    public var isComplete: Bool { step == totalSteps }
    /// The sampler's canonical name.
    public var samplerName: String { sampler.method.name }

    /// Takes the next step.
    public mutating func advance() {
        precondition(!isComplete, "advance: all \(totalSteps) steps are done")
        let input = sampler.modelInput(latents, step: step)
        let rows = context.size(0)
        let timesteps = Tensor([Float](repeating: sampler.timesteps[step], count: rows))
        let batch = rows == 1 ? input : concatenated([input, input], axis: 0)
        let output = model.unet(batch, timesteps: timesteps, context: context, pass)
        latents = sampler.step(guided(output), latents: latents, step: step, random: &random)
        step += 1
    }

    /// Classifier-free guidance: `unconditional + scale * (conditional - unconditional)`.
    private func guided(_ output: Tensor) -> Tensor {
        guard output.size(0) == 2 else { return output }
        let rows = output.chunked(0, count: 2)
        return rows[0] + guidanceScale * (rows[1] - rows[0])
    }

    /// The picture of the present latents.
    public func picture() -> Image {
        model.autoencoder.decode(model.autoencoder.unscaled(latents), pass).images()[0]
    }
}
