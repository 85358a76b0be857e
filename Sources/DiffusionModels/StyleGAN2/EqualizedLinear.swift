import Layers
import TensorCore
import Weights

/// An affine map whose stored weights all have one spread, so that they learn at one rate:
///
///     y = x · (weight · rate / sqrt(inputs))ᵀ + bias · rate
///
/// Follows StyleGAN2's `FullyConnectedLayer`.
struct EqualizedLinear: Layer {
    private var weight: Tensor
    private var bias: Tensor
    private let rate: Double
    private let site: Int

    /// - Parameter rate: `lr_multiplier`.
    init(_ inputs: Int, _ outputs: Int, rate: Double = 1, _ weights: ScopedWeights) throws {
        weight = try weights.tensor(
            "weight", shape: [outputs, inputs], initial: .normal(standardDeviation: Float(1 / rate)))
        bias = try weights.tensor("bias", shape: [outputs], initial: .zeros)
        self.rate = rate
        site = weights.site
    }

    /// - Parameter x: `[batch, inputs]`.
    /// - Returns: `[batch, outputs]`.
    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let gain = rate / Double(weight.size(1)).squareRoot()
        return pass.visit(site, .output, linear(x, weight) * gain + bias * rate)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
        bias = transform(bias)
    }
}

/// `sqrt(2) · max(x, 0.2 x)`: the gain keeps the second moment.
func leakyRectified(_ x: Tensor) -> Tensor { maximum(x, x * 0.2) * 2.0.squareRoot() }

/// `x / sqrt(mean(x²) + 1e-8)`, the mean over the second dimension.
func normalizedSecondMoment(_ x: Tensor) -> Tensor {
    x * rsqrt(mean(square(x), axes: [1], keepDimensions: true) + 1e-8)
}
