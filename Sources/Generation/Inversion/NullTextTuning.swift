import Optimizers
import TensorCore

/// Null-text tuning: guidance strengthens the small errors of an inversion, and this takes them back by fitting, for each
/// step, what the unconditional row reads (Mokady et al., arXiv 2211.09794).
///
///     minimise over u_i    mean (step(z_i, e(u_i) + scale · (e(c) - e(u_i))) - z*_{i+1})²
///
/// `z*` are the latents that the inversion went through. Each step begins with what the one before found, and ends early
/// once it is near enough.
public struct NullTextTuning: Codable, Sendable, Hashable {
    /// The most changes of a step's context.
    public var iterations: Int
    /// Adam's rate at the first step; it falls to half of that until the last.
    public var learningRate: Double
    /// The mean squared error of latents that is near enough at the first step; towards the last one it grows to 101 times
    /// that, as in the original (`1e-5 + 2e-5 i` for 50 steps) when this is 1e-5.
    public var tolerance: Double

    public init(iterations: Int = 10, learningRate: Double = 0.01, tolerance: Double = 1e-5) {
        self.iterations = iterations
        self.learningRate = learningRate
        self.tolerance = tolerance
    }

    func validate(_ request: GenerationRequest) throws {
        guard (1...1000).contains(iterations) else {
            throw GenerationError("tuning iterations", expected: "1 to 1000", found: "\(iterations)")
        }
        guard learningRate > 0 && learningRate <= 10 else {
            throw GenerationError("tuning rate", expected: "above 0 up to 10", found: "\(learningRate)")
        }
        guard tolerance >= 0 && tolerance.isFinite else {
            throw GenerationError("tuning tolerance", expected: "a number of at least 0", found: "\(tolerance)")
        }
        guard request.guidanceScale > 1 else {
            throw GenerationError(
                "guidance scale", expected: "above 1 where the unconditional row is tuned",
                found: "\(request.guidanceScale)"
            )
        }
        guard request.guidanceRescale ?? 0 == 0 else {
            throw GenerationError(
                "guidance rescale", expected: "none where the unconditional row is tuned",
                found: "\(request.guidanceRescale ?? 0)")
        }
    }

    /// Fits the context of one step.
    ///
    /// - Parameters:
    ///   - start: the context to begin with.
    ///   - share: of the steps done, from 0.
    ///   - target: where the step is to lead.
    ///   - step: from a context to where the step leads; differentiable in the context.
    /// - Returns: the best context met, and where it leads.
    func fitted(
        _ start: Tensor, share: Double, target: Tensor, step: (_ context: Tensor) -> Tensor
    ) -> (context: Tensor, next: Tensor) {
        let enough = Float(tolerance * (1 + 100 * share))
        let rate = learningRate * (1 - share / 2)
        var optimizer = AdamW(weightDecay: 0)
        var context = start
        var best: (loss: Float, context: Tensor, next: Tensor)?
        for iteration in 0...iterations {
            // The last evaluation only says where the last change leads.
            let isLast = iteration == iterations
            let leaf = isLast ? context : context.tracked()
            let next = step(leaf)
            let loss = meanSquaredError(next, target)
            let value = loss.item
            if value < best?.loss ?? .infinity { best = (value, context, next.detached) }
            guard !isLast, value > enough, let gradient = gradients(of: loss)[leaf] else { break }
            context =
                optimizer.step(
                    parameters: ["context": context], gradients: ["context": gradient.moved(to: context.backend)],
                    learningRate: rate)["context"] ?? context
        }
        // Only a loss that is no number leaves none.
        guard let best else { return (start, step(start)) }
        return (best.context, best.next)
    }
}
