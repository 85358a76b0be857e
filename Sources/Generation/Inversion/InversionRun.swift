import DiffusionModels
import Layers
import Samplers
import TensorCore

/// An inversion in the making: each `advance()` takes one step backwards, or fits the unconditional row of one step.
///
///     var run = try InversionRun(of: picture, request, model: model)
///     while !run.isComplete { run.advance() }
///     let denoising = try Denoising(request, model: model, startingFrom: picture, inverted: run.inverted, pass: pass)
///
/// A value: drop it to stop. The model is the plain one: it has no sliders, styles or directions.
public struct InversionRun: Sendable {
    private let inversion: Inversion
    private let model: StableDiffusion
    private let sampler: Sampler
    private let guided: GuidedRows
    private let scale: Double
    private let firstEvaluation: Int
    /// Latents of the inversion, from the picture's own to those at the first evaluation.
    private var trajectory: [Tensor]
    /// The tuned contexts, from the first evaluation on.
    private var contexts: [Tensor] = []
    /// Where the tuned contexts lead.
    private var latents: Tensor?

    /// Encodes the picture and the prompts.
    ///
    /// - Parameters:
    ///   - picture: with its inversion.
    ///   - request: of the pictures to draw; its styles and directions do not matter.
    /// - Throws: `GenerationError` for what cannot be inverted.
    public init(of picture: StartingPicture, _ request: GenerationRequest, model: StableDiffusion) throws {
        guard let inversion = picture.inversion else {
            throw GenerationError("starting picture", expected: "one to invert", found: "one that gets noise")
        }
        var request = request
        (request.styles, request.directions) = (nil, nil)
        try request.validate(for: model)
        try picture.validate(for: request)
        var sampler = try request.makeSampler(model.scheduler.unclipped)
        try inversion.validate(request, sampler)
        guard !model.readsMask else {
            throw GenerationError("inversion", expected: "a model that reads no mask", found: "one to inpaint with")
        }
        self.inversion = inversion
        self.model = model
        guided = GuidedRows(request, model, Pass())
        scale = request.guidanceScale
        firstEvaluation = sampler.begin(at: picture.firstStep(of: sampler.stepCount))
        self.sampler = sampler
        trajectory = [try model.likeliestLatents(picture.pixels(for: request), Pass())]
    }

    private var evaluations: Int { sampler.evaluations.count - firstEvaluation }

    /// Steps done.
    public var step: Int { trajectory.count - 1 + contexts.count }
    public var totalSteps: Int { inversion.tuning == nil ? evaluations : 2 * evaluations }
    public var isComplete: Bool { step == totalSteps }

    /// Whether the backward steps are done and the unconditional row is being fitted.
    public var isTuning: Bool { inversion.tuning != nil && trajectory.count > evaluations }

    /// Takes the next step.
    public mutating func advance() {
        precondition(!isComplete, "inversion: all \(totalSteps) steps are done")
        if isTuning { tune() } else { stepBack() }
    }

    private mutating func stepBack() {
        let index = sampler.evaluations.count - trajectory.count
        let next = trajectory[trajectory.count - 1]
        trajectory.append(
            inversion.latents(before: next, sampler, at: index) { latents in
                guided.conditional(
                    sampler.modelInput(latents, at: index), timestep: sampler.evaluations[index].timestep, model.unet,
                    Pass())
            })
    }

    private mutating func tune() {
        guard let tuning = inversion.tuning, let start = contexts.last ?? guided.unconditionalContext else {
            preconditionFailure("inversion: no unconditional row to tune")
        }
        let index = firstEvaluation + contexts.count
        let latents = latents ?? trajectory[trajectory.count - 1]
        let input = sampler.modelInput(latents, at: index)
        let timestep = sampler.evaluations[index].timestep
        let (own, change) = sampler.stepFactors(at: index)
        let conditional = guided.conditional(input, timestep: timestep, model.unet, Pass())
        // Large feature maps are computed again rather than kept; the gradients are the same bits.
        let pass = Pass(checkpointing: latents.size(2) * latents.size(3) > 32 * 32 ? .blocks : .none)
        let found = tuning.fitted(
            start, share: Double(contexts.count) / Double(evaluations),
            target: trajectory[evaluations - 1 - contexts.count]
        ) { context in
            let unconditional = guided.unconditional(input, reading: context, timestep: timestep, model.unet, pass)
            return own * latents + change * (unconditional + scale * (conditional - unconditional))
        }
        contexts.append(found.context)
        self.latents = found.next
    }

    /// What was found; all steps are done.
    public var inverted: InvertedPicture {
        precondition(isComplete, "inversion: \(totalSteps - step) steps are left")
        return InvertedPicture(
            latents: trajectory[trajectory.count - 1], firstEvaluation: firstEvaluation,
            unconditionalContexts: contexts.isEmpty ? nil : concatenated(contexts, axis: 0))
    }

    /// Takes all steps that are left.
    func completed() -> InvertedPicture {
        var copy = self
        while !copy.isComplete { copy.advance() }
        return copy.inverted
    }
}
