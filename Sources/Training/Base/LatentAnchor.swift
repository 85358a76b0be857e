import DiffusionModels
import Layers
import TensorCore

/// Holds the latents of plain pictures where a trained autoencoder has them, while its successor learns styles.
///
///     loss = weight · mean over plain pictures of (z - z₀)² / variance(z₀)
///
/// A UNet that was trained on the latents z₀ then keeps its meaning, and so do sliders on it.
struct LatentAnchor: Sendable {
    private let weight: Double
    private let reference: AutoencoderKL

    init(weight: Double, reference: AutoencoderKL) {
        self.weight = weight
        self.reference = reference
    }

    /// - Parameters:
    ///   - mean: the latents to hold, `[batch, channels, height, width]`.
    ///   - original: the pictures that they are of.
    ///   - isPlain: 1 for each plain picture and 0 for each other, `[batch]`.
    func loss(of mean: Tensor, original: Tensor, isPlain: Tensor) -> Tensor {
        let target = reference.encode(original, Pass()).mean
        let distances = TensorCore.mean(square(mean - target), axes: [1, 2, 3])
        let spread = Double(variance(target).item)
        return TensorCore.mean(distances * isPlain) * (weight / max(spread, 1e-12))
    }
}
