public import TensorCore

/// What a diffusion model is trained on. Timesteps are one a sample, each in `0 ..< count`.
extension NoiseSchedule {
    /// The noisy sample that the model sees.
    ///
    ///     x(t) = sqrt(ᾱ) x0 + sqrt(1 - ᾱ) noise
    ///
    /// - Parameters:
    ///   - clean: x0, `[batch, ...]`.
    ///   - noise: unit normal noise of the same shape.
    ///   - timesteps: `[batch]`.
    public func addNoise(_ clean: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        let (signal, deviation) = coefficients(timesteps, for: clean)
        return signal * clean + deviation * noise
    }

    /// The target of v prediction.
    ///
    ///     v = sqrt(ᾱ) noise - sqrt(1 - ᾱ) x0
    public func velocity(_ clean: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        let (signal, deviation) = coefficients(timesteps, for: clean)
        return signal * noise - deviation * clean
    }

    /// What the model should answer.
    public func target(_ clean: Tensor, noise: Tensor, timesteps: [Int], prediction: PredictionType) -> Tensor {
        switch prediction {
        case .epsilon: noise
        case .velocity: velocity(clean, noise: noise, timesteps: timesteps)
        case .sample: clean
        case .flow: preconditionFailure(noFlow)
        }
    }

    /// The clean sample that a model's answer stands for; the inverse of `target`.
    ///
    /// - Parameters:
    ///   - answer: what the model predicted, `[batch, ...]`.
    ///   - noisy: x(t), the model's input.
    public func denoised(
        _ answer: Tensor, noisy: Tensor, timesteps: [Int], prediction: PredictionType
    ) -> Tensor {
        let (signal, deviation) = coefficients(timesteps, for: noisy)
        switch prediction {
        case .epsilon: return (noisy - deviation * answer) / signal
        case .velocity: return signal * noisy - deviation * answer
        case .sample: return answer
        case .flow: preconditionFailure(noFlow)
        }
    }

    /// `ᾱ / (1 - ᾱ)` of each timestep.
    public func signalToNoiseRatio(_ timesteps: [Int]) -> [Float] {
        roots(timesteps).map { signal, deviation in
            let ratio = signal / deviation
            return ratio * ratio
        }
    }

    /// Min-SNR weights of the squared error, one a sample.
    ///
    ///     epsilon: min(snr, gamma) / snr     v: min(snr, gamma) / (snr + 1)     sample: min(snr, gamma)
    ///
    /// Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy" (arXiv 2303.09556), section 3.4.
    /// Pure noise (snr = 0) weighs 1 for epsilon, the limit.
    /// - Parameter gamma: the cap, usually 5; 0 for weights of 1.
    /// - Returns: `[batch]`.
    public func lossWeights(timesteps: [Int], gamma: Double, prediction: PredictionType) -> Tensor {
        precondition(gamma >= 0, "lossWeights: gamma \(gamma)")
        let weights = signalToNoiseRatio(timesteps).map { ratio -> Float in
            if gamma == 0 { return 1 }
            let limited = min(ratio, Float(gamma))
            switch prediction {
            case .epsilon: return ratio == 0 ? 1 : limited / ratio
            case .velocity: return limited / (ratio + 1)
            case .sample: return limited
            case .flow: preconditionFailure(noFlow)
            }
        }
        return Tensor(weights)
    }

    private func roots(_ timesteps: [Int]) -> [(signal: Float, deviation: Float)] {
        timesteps.map { timestep in
            precondition(
                alphasCumulative.indices.contains(timestep),
                "noise schedule: timestep \(timestep) of \(alphasCumulative.count)")
            let alpha = alphasCumulative[timestep]
            return (alpha.squareRoot(), (1 - alpha).squareRoot())
        }
    }

    /// `sqrt(ᾱ)` and `sqrt(1 - ᾱ)` as `[batch, 1, ...]`.
    private func coefficients(_ timesteps: [Int], for x: Tensor) -> (signal: Tensor, deviation: Tensor) {
        precondition(
            x.rank > 0 && x.size(0) == timesteps.count,
            "noise schedule: \(timesteps.count) timesteps for shape \(x.shape)")
        let roots = roots(timesteps)
        let shape = [timesteps.count] + [Int](repeating: 1, count: x.rank - 1)
        return (Tensor(roots.map(\.signal), shape: shape), Tensor(roots.map(\.deviation), shape: shape))
    }
}

private let noFlow = "noise schedule: flow models mix data and noise by other shares"
