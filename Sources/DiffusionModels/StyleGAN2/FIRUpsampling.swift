import TensorCore

/// Twice the size: zeros between the pixels, then a filter.
///
///     y = 4 · filter * pad(spread(x)),    spread puts x[i, j] at [2i, 2j]
///
/// - Parameters:
///   - x: `[batch, channels, height, width]`.
///   - filter: `[taps, taps]` with sum 1; [1, 3, 3, 1] in both directions, as a rule.
///   - margin: further pixels on every side, for a kernel that is applied without padding of its own.
/// - Returns: `[batch, channels, 2 height + 2 margin, 2 width + 2 margin]`.
/// Follows StyleGAN2's `upfirdn2d` with `up=2` and the padding of `upsample2d`.
func upsampled(_ x: Tensor, by filter: Tensor, margin: Int = 0) -> Tensor {
    let (batch, channels, height, width) = (x.size(0), x.size(1), x.size(2), x.size(3))
    let taps = filter.size(0)
    let spread = padded(
        x.reshaped([batch * channels, height, 1, width, 1]), before: [0, 0, 0, 0, 0], after: [0, 0, 1, 0, 1])
    let before = margin + (taps + 1) / 2
    let after = margin + (taps - 2) / 2
    let kernel = flipped(filter.reshaped([1, 1, taps, taps])) * 4
    let filtered = convolution(
        spread.reshaped([batch * channels, 1, 2 * height, 2 * width]), kernel, nil,
        ConvolutionGeometry(paddingBefore: [before, before], paddingAfter: [after, after]))
    return filtered.reshaped([batch, channels, filtered.size(2), filtered.size(3)])
}

/// A kernel turned by half a turn: `convolution` correlates, and a true convolution is a correlation with that.
func flipped(_ kernel: Tensor) -> Tensor {
    [2, 3].reduce(kernel) { kernel, axis in
        let count = kernel.size(axis)
        return concatenated(
            (0..<count).map { kernel.narrowed(axis, start: count - 1 - $0, count: 1) }, axis: axis)
    }
}
