import DiffusionModels
import Layers
import Samplers
import TensorCore

/// How a real picture becomes the latents with noise from which the model draws it again: DDIM's steps backwards.
///
/// A step of DDIM goes from `z` at a timestep to `A z + B e(z)` at the next; its start is therefore
///
///     z = (next - B e(z)) / A,    e(z) taken at `next` first, then at the `z` that was found
///
/// Without refinements that is DDIM inversion (arXiv 2010.02502); each refinement asks the model once more, as ReNoise
/// does (arXiv 2403.14602), and comes nearer to the exact start.
///
/// The model is always the plain one, whatever sliders and styles the picture is then drawn with: noise that was found with
/// a slider on holds the slider's effect, and drawing with it again would only undo it.
public struct Inversion: Codable, Sendable, Hashable {
    /// How often each step is refined.
    public var refinements: Int
    /// Whether a refinement takes the mean of all answers so far, as ReNoise does, so that answers which overshoot to and fro
    /// settle; nil for no.
    public var averages: Bool?
    /// How the unconditional row is fitted to the picture, for guidance above 1; nil leaves it as it is.
    public var tuning: NullTextTuning?

    public init(refinements: Int = 1, averages: Bool = false, tuning: NullTextTuning? = nil) {
        self.refinements = refinements
        self.averages = averages ? true : nil
        self.tuning = tuning
    }

    func validate(_ request: GenerationRequest, _ sampler: Sampler) throws {
        guard (0...100).contains(refinements) else {
            throw GenerationError("inversion refinements", expected: "0 to 100", found: "\(refinements)")
        }
        try tuning?.validate(request)
        guard sampler.configuration.predictionType != .sample else {
            throw GenerationError(
                "prediction", expected: "noise or velocity: a predicted sample says nothing of its noise",
                found: "sample")
        }
        guard sampler.method.name == "ddim", (request.eta ?? 0) == 0 else {
            throw GenerationError(
                "sampler", expected: "ddim without fresh noise, whose steps can be taken backwards",
                found: sampler.method.name == "ddim" ? "an eta of \(request.eta ?? 0)" : sampler.method.name)
        }
    }

    /// The latents at the beginning of an evaluation.
    ///
    /// - Parameters:
    ///   - clean: `[1, channels, height, width]`.
    ///   - first: the evaluation that they are wanted for.
    ///   - predict: the model's prediction for latents at an evaluation.
    func latents(
        _ clean: Tensor, _ sampler: Sampler, from first: Int, predict: (_ latents: Tensor, _ index: Int) -> Tensor
    ) -> Tensor {
        (first..<sampler.evaluations.count).reversed().reduce(clean) { latents, index in
            self.latents(before: latents, sampler, at: index) { predict($0, index) }
        }
    }

    /// The latents from which the step at an evaluation leads to `next`.
    func latents(before next: Tensor, _ sampler: Sampler, at index: Int, predict: (Tensor) -> Tensor) -> Tensor {
        let (own, change) = sampler.stepFactors(at: index)
        var latents = next
        var total: Tensor?
        for count in 0...refinements {
            let prediction = predict(latents)
            guard averages == true else {
                latents = (next - change * prediction) / own
                continue
            }
            let sum = total.map { $0 + prediction } ?? prediction
            total = sum
            latents = (next - (change / Double(count + 1)) * sum) / own
        }
        return latents
    }
}

extension SchedulerConfiguration {
    /// The same without the limits of x0, beyond which no step could be taken backwards.
    var unclipped: SchedulerConfiguration {
        var copy = self
        copy.clipsSample = false
        return copy
    }
}

extension Sampler {
    /// `A` and `B` of DDIM's step `next = A z + B prediction`.
    ///
    /// With signal `s`, deviation `d`, and `s'`, `d'` after the step:
    ///
    ///     noise:     A = s' / s,          B = d' - s' d / s
    ///     velocity:  A = s' s + d' d,     B = d' s - s' d
    func stepFactors(at index: Int) -> (own: Double, change: Double) {
        func roots(_ sigma: Float) -> (Double, Double) {
            let alpha = 1 / (1 + Double(sigma) * Double(sigma))
            return (alpha.squareRoot(), (1 - alpha).squareRoot())
        }
        let ((s, d), (next, rest)) = (roots(sigmas[index]), roots(sigmas[index + 1]))
        switch configuration.predictionType {
        case .epsilon: return (next / s, rest - next * d / s)
        case .velocity: return (next * s + rest * d, rest * s - next * d)
        case .sample, .flow: preconditionFailure("inversion: \(configuration.predictionType) is refused")
        }
    }
}
