public import TensorCore

/// Brings a guided prediction back to the spread of the conditional one, against overexposure.
///
///     rescaled = guided · std(conditional) / std(guided),   result = share · rescaled + (1 - share) · guided
///
/// The deviation is over everything but the batch, unbiased. Lin et al., "Common Diffusion Noise Schedules and Sample
/// Steps are Flawed" (arXiv 2305.08891), section 3.4. Follows diffusers `rescale_noise_cfg`.
/// - Parameters:
///   - guided: `[batch, ...]`, after classifier-free guidance.
///   - conditional: the same shape.
///   - share: 0 leaves `guided` as it is; the paper suggests 0.7.
public func rescaledGuidance(_ guided: Tensor, conditional: Tensor, share: Double) -> Tensor {
    precondition(
        guided.shape == conditional.shape, "rescaledGuidance: \(guided.shape) and \(conditional.shape)")
    if share == 0 { return guided }
    let axes = Array(1..<guided.rank)
    let target = sqrt(variance(conditional, axes: axes, keepDimensions: true))
    let found = sqrt(variance(guided, axes: axes, keepDimensions: true))
    return share * (guided * (target / found)) + (1 - share) * guided
}
