/// Turns pairs of channels by the angles of a token's position.
///
///     result[i]         = x[i] cos[i] - x[i + pairs] sin[i]
///     result[i + pairs] = x[i + pairs] cos[i] + x[i] sin[i]
///
/// - Parameters:
///   - x: `[batch, tokens, heads, headDimension]`; channels from `2 * pairs` on stay as they are.
///   - cosines, sines: `[batch or 1, tokens, pairs]`; constants.
/// - Returns: the shape of `x`.
/// Follows transformers `modeling_llama.py`, apply_rotary_pos_emb (halves, not neighbours, make a pair).
public func rotary(_ x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor {
    precondition(
        x.rank == 4 && cosines.shape == sines.shape && cosines.rank == 3 && cosines.size(1) == x.size(1)
            && (cosines.size(0) == 1 || cosines.size(0) == x.size(0)) && 2 * cosines.size(2) <= x.size(3),
        "rotary: \(x.shape) by angles \(cosines.shape)")
    let x = x.converted(to: .float32)
    let (cosines, sines) = (cosines.detached.contiguous(), sines.detached.contiguous())
    return sharedBackend(x, cosines).rotary(x.detached, cosines: cosines, sines: sines, isReversed: false).recorded(
        from: [x]) {
            [$0.backend.rotary($0, cosines: cosines, sines: sines, isReversed: true)]
        }
}

extension Composed {
    static func rotary(
        _ backend: any Backend, _ x: Tensor, cosines: Tensor, sines: Tensor, isReversed: Bool
    ) -> Tensor {
        let pairs = cosines.size(2)
        let parts = x.split(3, sizes: [pairs, pairs, x.size(3) - 2 * pairs])
        let cosines = cosines.unsqueezed(2)
        let sines = isReversed ? backend.unary(.negate, sines).unsqueezed(2) : sines.unsqueezed(2)
        let first = parts[0] * cosines - parts[1] * sines
        let second = parts[1] * cosines + parts[0] * sines
        return backend.assemble(
            [(first, [0, 0, 0, 0]), (second, [0, 0, 0, pairs]), (parts[2], [0, 0, 0, 2 * pairs])], shape: x.shape,
            order: [0, 1, 2, 3], background: 0)
    }
}
