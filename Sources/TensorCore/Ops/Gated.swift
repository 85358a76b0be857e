/// The gated half of a GEGLU feed-forward: `hidden * gelu(gate)`.
///
/// - Parameters:
///   - x: `[..., 2 * channels]`: hidden first, gate second (diffusers `activations.py`, GEGLU).
///   - rounded: gives bfloat16: for products that round what they read to it anyway. A single vector stays float32, as its
///     products read it.
/// - Returns: `[..., channels]`.
public func geglu(_ x: Tensor, rounded: Bool = false) -> Tensor {
    precondition(x.size(-1) % 2 == 0, "geglu: last dimension of \(x.shape) is odd")
    let x = x.converted(to: .float32)
    let input = x.detached
    let output =
        rounded && x.hasManyVectors ? input.backend.roundedGEGLU(input) : input.backend.geglu(input)
    return output.recorded(from: [x]) { gradient in
        [gradient.backend.gegluBackward(gradient, x: input)]
    }
}

/// `geglu` of `linear`, in one step where the result is rounded and no gradients are recorded; its bits are those of the two.
///
/// - Parameter x: `[..., in]`; the map gives `[..., 2 * channels]`.
/// - Returns: `[..., channels]`.
public func geglu(_ x: Tensor, of map: AffineMap, rounded: Bool) -> Tensor {
    let isFused =
        rounded && x.hasManyVectors && !x.isTracked && map.weight.roundsOperands && !map.weight.isTracked
    guard isFused && !(map.bias?.isTracked ?? false) else {
        return geglu(linear(x, map.weight, map.bias), rounded: rounded)
    }
    let bias = map.bias?.converted(to: .float32)
    return sharedBackend(x, map.weight, bias).roundedGEGLU(x, of: AffineMap(weight: map.weight, bias: bias))
}

/// The gated half of a SwiGLU feed-forward: `silu(gate) * up`, in one step and with the bits of the two.
///
/// - Parameters:
///   - gate, up: equal shapes.
public func swiglu(gate: Tensor, up: Tensor) -> Tensor {
    precondition(gate.shape == up.shape, "swiglu: shapes \(gate.shape) and \(up.shape)")
    let (gate, up) = (gate.converted(to: .float32), up.converted(to: .float32))
    let (x, y) = (gate.detached, up.detached)
    return sharedBackend(x, y).swiglu(gate: x, up: y).recorded(from: [gate, up]) { gradient in
        let result = gradient.backend.swigluBackward(gradient, gate: x, up: y)
        return [result.gate, result.up]
    }
}
