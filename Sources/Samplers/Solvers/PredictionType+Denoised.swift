internal import TensorCore

extension PredictionType {
    /// x0 from latents of the form `signal · x0 + deviation · noise` with `signal² + deviation² = 1`, or for flow
    /// `signal + deviation = 1`.
    ///
    ///     epsilon: (x - deviation · p) / signal     v: signal · x - deviation · p     sample: p
    ///     flow: x - deviation · p
    func denoised(_ prediction: Tensor, latents: Tensor, signal: Float, deviation: Float) -> Tensor {
        switch self {
        case .epsilon: (latents - prediction * Double(deviation)) / Double(signal)
        case .velocity: latents * Double(signal) - prediction * Double(deviation)
        case .sample: prediction
        case .flow: latents - prediction * Double(deviation)
        }
    }

    /// The noise in such latents.
    ///
    ///     epsilon: p     v: signal · p + deviation · x     sample: (x - signal · p) / deviation
    func noise(_ prediction: Tensor, latents: Tensor, signal: Float, deviation: Float) -> Tensor {
        switch self {
        case .epsilon: prediction
        case .velocity: prediction * Double(signal) + latents * Double(deviation)
        case .sample: (latents - prediction * Double(signal)) / Double(deviation)
        case .flow: latents + prediction * Double(signal)
        }
    }

    /// x0 from latents of the form `x0 + sigma · noise`, which the model saw divided by `sqrt(sigma² + 1)`.
    ///
    ///     epsilon: x - sigma · p     v: x / (sigma² + 1) - p · sigma / sqrt(sigma² + 1)     sample: p
    func denoised(_ prediction: Tensor, latents: Tensor, sigma: Float) -> Tensor {
        let scale = sigma * sigma + 1
        switch self {
        case .epsilon: return latents - prediction * Double(sigma)
        case .velocity: return prediction * Double(-sigma / scale.squareRoot()) + latents / Double(scale)
        case .sample: return prediction
        case .flow: preconditionFailure("sampler: a flow has no latents of the form x0 + sigma · noise")
        }
    }
}
