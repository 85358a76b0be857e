#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The noise of every training timestep.
///
///     ᾱ(t) = ∏ (1 - beta),   x(t) = sqrt(ᾱ) x0 + sqrt(1 - ᾱ) noise,   sigma(t) = sqrt((1 - ᾱ) / ᾱ)
///
/// Betas are float32; their product accumulates in float64 and is stored as float32, as `torch.cumprod` does.
public struct NoiseSchedule: Sendable, Equatable {
    /// One a timestep.
    public let betas: [Float]
    /// ᾱ, falling from nearly 1 to nearly (or exactly) 0.
    public let alphasCumulative: [Float]

    public init(_ configuration: SchedulerConfiguration) throws(SamplerError) {
        try configuration.validate()
        var betas = configuration.trainedBetas ?? configuration.computedBetas
        if configuration.rescalesToZeroSNR { betas = rescaledToZeroSNR(betas) }
        self.betas = betas
        alphasCumulative = cumulativeProduct(betas.map { 1 - $0 })
    }

    /// The number of training timesteps.
    public var trainTimesteps: Int { betas.count }

    /// The noise over the signal of every timestep, rising.
    ///
    /// Pure noise (ᾱ = 0) counts as ᾱ = 2^-24, so that its sigma is 4096 and not infinite.
    public var sigmas: [Float] { alphasCumulative.map { sigma(ofAlpha: $0) } }

    /// The timesteps of sigmas, by linear interpolation in log sigma.
    ///
    /// Follows diffusers `EulerDiscreteScheduler._sigma_to_t`: the table is float32, the rest float64.
    func timesteps(of sigmas: [Double]) -> [Double] {
        let logSigmas = self.sigmas.map { log($0) }
        return sigmas.map { Self.timestep(of: $0, logSigmas: logSigmas) }
    }

    private static func timestep(of sigma: Double, logSigmas: [Float]) -> Double {
        guard logSigmas.count > 1 else { return 0 }
        let logSigma = log(max(sigma, 1e-10))
        let below = logSigmas.lastIndex { Double($0) <= logSigma } ?? 0
        let low = min(below, logSigmas.count - 2)
        let span = logSigmas[low] - logSigmas[low + 1]
        let weight = min(max((Double(logSigmas[low]) - logSigma) / Double(span), 0), 1)
        return (1 - weight) * Double(low) + weight * Double(low + 1)
    }
}

func sigma(ofAlpha alpha: Float) -> Float {
    let alpha = alpha == 0 ? 0x1p-24 : alpha
    return ((1 - alpha) / alpha).squareRoot()
}

extension SchedulerConfiguration {
    fileprivate var computedBetas: [Float] {
        switch betaSchedule {
        case .linear:
            return evenlySpaced(Float(betaStart), Float(betaEnd), count: trainTimesteps)
        case .scaledLinear:
            let roots = evenlySpaced(
                Float(betaStart.squareRoot()), Float(betaEnd.squareRoot()), count: trainTimesteps)
            return roots.map { $0 * $0 }
        case .squaredCosine:
            func alphaBar(_ step: Int) -> Double {
                let angle = cos((Double(step) / Double(trainTimesteps) + 0.008) / 1.008 * .pi / 2)
                return angle * angle
            }
            return (0..<trainTimesteps).map { Float(min(1 - alphaBar($0 + 1) / alphaBar($0), 0.999)) }
        }
    }
}

/// `count` numbers from `first` to `last`, counted from the nearer end as `torch.linspace` does.
private func evenlySpaced(_ first: Float, _ last: Float, count: Int) -> [Float] {
    guard count > 1 else { return [first] }
    let stride = (last - first) / Float(count - 1)
    return (0..<count).map { $0 < count / 2 ? first + stride * Float($0) : last - stride * Float(count - 1 - $0) }
}

private func cumulativeProduct(_ factors: [Float]) -> [Float] {
    var product = 1.0
    return factors.map { factor in
        product *= Double(factor)
        return Float(product)
    }
}

/// Shifts and scales sqrt(ᾱ) so that it ends at 0 and begins where it began.
///
///     root' = (root - root(T)) · root(0) / (root(0) - root(T))
///
/// Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (arXiv 2305.08891), algorithm 1.
private func rescaledToZeroSNR(_ betas: [Float]) -> [Float] {
    let roots = cumulativeProduct(betas.map { 1 - $0 }).map { $0.squareRoot() }
    guard let first = roots.first, let last = roots.last, first != last else { return betas }
    let scale = first / (first - last)
    let alphasCumulative = roots.map { root in
        let shifted = (root - last) * scale
        return shifted * shifted
    }
    return alphasCumulative.indices.map { index in
        1 - (index == 0 ? alphasCumulative[0] : alphasCumulative[index] / alphasCumulative[index - 1])
    }
}
