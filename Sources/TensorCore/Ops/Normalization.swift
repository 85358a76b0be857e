/// Normalizes each group of channels to zero mean and unit variance, then scales and shifts.
///
///     y = (x - mean) / sqrt(variance + epsilon) * weight + bias
///
/// - Parameters:
///   - x: `[batch, channels, spatial...]`; `channels` divisible by `groups`.
///   - weight, bias: `[channels]`.
///   - silu: applies `silu` to the result in the same pass.
///   - rounded: gives bfloat16: for products that round what they read to it anyway. A single vector stays float32, as its
///     products read it.
public func groupNorm(
    _ x: Tensor, groups: Int, weight: Tensor? = nil, bias: Tensor? = nil, epsilon: Float = 1e-5, silu: Bool = false,
    rounded: Bool = false
) -> Tensor {
    precondition(x.rank >= 2 && x.size(1) % groups == 0, "groupNorm: \(groups) groups of shape \(x.shape)")
    let (x, weight, bias) = widened(x, weight, bias)
    let (input, scale, shift) = (x.detached, weight?.detached, bias?.detached)
    let backend = sharedBackend(input, scale, shift)
    let (output, statistics) =
        rounded && x.shape.dropFirst(2).reduce(1, *) > 1
        ? backend.roundedGroupNorm(
            input, groups: groups, weight: scale, bias: shift, epsilon: epsilon, silu: silu)
        : backend.groupNorm(input, groups: groups, weight: scale, bias: shift, epsilon: epsilon, silu: silu)
    return recordNorm(output, x, weight, bias) { gradient in
        gradient.backend.groupNormBackward(
            gradient, x: input, groups: groups, weight: scale, bias: shift, silu: silu, statistics: statistics)
    }
}

/// Normalizes the last dimension to zero mean and unit variance, then scales and shifts.
///
/// - Parameters:
///   - x: `[..., channels]`.
///   - weight, bias: `[channels]`.
///   - rounded: gives bfloat16: for products that round what they read to it anyway. A single vector stays float32, as its
///     products read it.
public func layerNorm(
    _ x: Tensor, weight: Tensor? = nil, bias: Tensor? = nil, epsilon: Float = 1e-5, rounded: Bool = false
) -> Tensor {
    let (x, weight, bias) = widened(x, weight, bias)
    let (input, scale, shift) = (x.detached, weight?.detached, bias?.detached)
    let rounds = rounded && x.hasManyVectors
    if rounds && !isAnyTracked(x, weight, bias) {
        return sharedBackend(input, scale, shift)
            .roundedLayerNorm(input, weight: scale, bias: shift, epsilon: epsilon)
    }
    let (output, statistics) = sharedBackend(input, scale, shift)
        .layerNorm(input, weight: scale, bias: shift, epsilon: epsilon)
    let hasBias = bias != nil
    return recordNorm(rounds ? output.converted(to: .bfloat16) : output, x, weight, bias) { gradient in
        gradient.backend.layerNormBackward(
            gradient, x: input, weight: scale, hasBias: hasBias, statistics: statistics)
    }
}

/// Divides the last dimension by its root mean square, then scales.
///
///     y = x / sqrt(mean(x²) + epsilon) * weight
public func rmsNorm(_ x: Tensor, weight: Tensor? = nil, epsilon: Float = 1e-6) -> Tensor {
    let (x, weight, _) = widened(x, weight, nil)
    let (input, scale) = (x.detached, weight?.detached)
    let (output, statistics) = sharedBackend(input, scale).rmsNorm(input, weight: scale, epsilon: epsilon)
    return recordNorm(output, x, weight, nil) { gradient in
        gradient.backend.rmsNormBackward(gradient, x: input, weight: scale, statistics: statistics)
    }
}

private func isAnyTracked(_ tensors: Tensor?...) -> Bool { tensors.contains { $0?.isTracked ?? false } }

private func widened(_ x: Tensor, _ weight: Tensor?, _ bias: Tensor?) -> (Tensor, Tensor?, Tensor?) {
    (x.converted(to: .float32), weight?.converted(to: .float32), bias?.converted(to: .float32))
}

private func recordNorm(
    _ output: Tensor, _ x: Tensor, _ weight: Tensor?, _ bias: Tensor?,
    _ backward: @escaping @Sendable (Tensor) -> NormGradients
) -> Tensor {
    let (hasWeight, hasBias) = (weight != nil, bias != nil)
    return output.recorded(from: [x] + [weight, bias].compactMap { $0 }) { gradient in
        let result = backward(gradient)
        return [result.input] + (hasWeight ? [result.weight] : []) + (hasBias ? [result.bias] : [])
    }
}
