public import TensorCore

/// A normal distribution with independent elements: what an encoder says of the latents.
///
/// Follows diffusers `vae.py`, DiagonalGaussianDistribution.
public struct DiagonalGaussian: Sendable {
    /// `[batch, channels, height, width]`.
    public let mean: Tensor
    /// `log(variance)`, limited to -30...20; of the shape of `mean`.
    public let logVariance: Tensor

    /// - Parameter moments: `[batch, 2 * channels, height, width]`: means, then logarithms of variances.
    public init(moments: Tensor) {
        let halves = moments.chunked(1, count: 2)
        mean = halves[0]
        logVariance = clamp(halves[1], -30...20)
    }

    public var standardDeviation: Tensor { exp(logVariance * 0.5) }

    /// `mean + standardDeviation * noise`.
    ///
    /// - Parameter noise: standard normal numbers of the shape of `mean`.
    public func sample(noise: Tensor) -> Tensor { mean + standardDeviation * noise }

    /// The Kullback-Leibler divergence from the standard normal distribution, `[batch]`.
    ///
    ///     1/2 * sum(mean² + variance - 1 - log(variance))
    public var divergenceFromStandard: Tensor {
        sum(square(mean) + exp(logVariance) - 1 - logVariance, axes: [1, 2, 3]) * 0.5
    }
}
