import DiffusionModels
public import TensorCore

/// What a real picture was inverted to: the noise from which the model draws it, and what the unconditional row reads on the
/// way. A value: any number of edits begin with it.
public struct InvertedPicture: Sendable {
    /// Where the picture begins, `[1, channels, height, width]`.
    public let latents: Tensor
    /// The evaluation that it begins with.
    public let firstEvaluation: Int
    /// What the unconditional row reads at each evaluation from the first on, `[evaluations, tokens, width]`; nil where it
    /// was not tuned.
    public let unconditionalContexts: Tensor?

    public init(latents: Tensor, firstEvaluation: Int, unconditionalContexts: Tensor? = nil) {
        self.latents = latents
        self.firstEvaluation = firstEvaluation
        self.unconditionalContexts = unconditionalContexts
    }

    /// What the unconditional row reads at an evaluation, `[1, tokens, width]`; nil for its own text.
    func unconditionalContext(at evaluation: Int) -> Tensor? {
        unconditionalContexts?.narrowed(0, start: evaluation - firstEvaluation, count: 1)
    }

    /// Checks that it was found for such a request.
    func check(_ request: GenerationRequest, _ model: StableDiffusion, from first: Int, of count: Int) throws {
        let (factor, channels) = (model.latentFactor, model.autoencoder.configuration.latentChannels)
        let shape = [1, channels, request.height / factor, request.width / factor]
        guard latents.shape == shape, firstEvaluation == first else {
            throw GenerationError(
                "inverted picture", expected: "latents of \(shape) for evaluation \(first)",
                found: "\(latents.shape) for evaluation \(firstEvaluation)")
        }
        guard let contexts = unconditionalContexts else { return }
        guard contexts.rank == 3, contexts.size(0) == count - first, contexts.size(2) == model.text.width else {
            throw GenerationError(
                "inverted picture", expected: "\(count - first) contexts of width \(model.text.width)",
                found: "\(contexts.shape)")
        }
    }
}
