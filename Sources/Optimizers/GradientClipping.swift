public import TensorCore

/// The Euclidean norm of all elements of all tensors together.
///
/// Does not depend on the order of the tensors, so that the values of a dictionary give the same bits every time.
public func globalNorm(_ tensors: some Sequence<Tensor>) -> Double {
    // All sums are started before the first is waited for.
    tensors.map { sum(square($0.detached.converted(to: .float32))) }
        .map { Double($0.item) }.sorted().reduce(0, +).squareRoot()
}

/// The factor that brings gradients down to a norm.
///
///     min(1, maximum / (norm + 1e-6))
///
/// As `torch.nn.utils.clip_grad_norm_`.
/// - Parameter maximum: infinite (or 0) for no clipping.
public func clippingScale(norm: Double, maximum: Double) -> Double {
    maximum > 0 ? min(1, maximum / (norm + 1e-6)) : 1
}
