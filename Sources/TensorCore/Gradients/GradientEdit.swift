/// The same numbers, with something done to the gradient on its way back.
///
///     y = x      ∂L/∂x = change(∂L/∂y)
///
/// - Parameter change: from the gradient that arrives to the one that goes on, of the same shape. It runs in each
///   backward pass that comes by.
public func editingGradient(_ x: Tensor, _ change: @escaping @Sendable (Tensor) -> Tensor) -> Tensor {
    let shape = x.shape
    // A node of its own even where the input has none, so that the change sees what arrives.
    let source = x.isTracked ? x : x.tracked()
    return source.recorded(from: [source]) { gradient in
        let changed = change(gradient)
        precondition(changed.shape == shape, "editingGradient: \(changed.shape) in place of \(shape)")
        return [changed]
    }
}
