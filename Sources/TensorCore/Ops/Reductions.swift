extension Tensor {
    fileprivate func normalized(_ axes: [Int]?) -> [Int] {
        axes.map { $0.map(axis).sorted() } ?? Array(0..<rank)
    }

    /// Removes dimensions of size 1 that a reduction left.
    fileprivate func dropping(_ axes: [Int]) -> Tensor {
        reshaped(shape.indices.filter { !axes.contains($0) }.map { shape[$0] })
    }

    fileprivate func shapeKeeping(_ axes: [Int]) -> [Int] {
        shape.indices.map { axes.contains($0) ? 1 : shape[$0] }
    }
}

/// Runs `body` on float32 for floating-point tensors and on int64 for the others, which then have no gradient.
private func inFloat32OrInt64(_ x: Tensor, _ body: (Tensor) -> Tensor) -> Tensor {
    x.dtype.isFloatingPoint ? Tensor.inFloat32(x, body) : body(x.converted(to: .int64))
}

/// The sum over `axes` (all of them when nil); int64 for integers and Booleans.
public func sum(_ x: Tensor, axes: [Int]? = nil, keepDimensions: Bool = false) -> Tensor {
    inFloat32OrInt64(x) { x in
        let axes = x.normalized(axes)
        let (shape, keptShape) = (x.shape, x.shapeKeeping(axes))
        let result = x.backend.reduce(.sum, x.detached, axes: axes).recorded(from: [x]) { gradient in
            [gradient.reshaped(keptShape).expanded(to: shape)]
        }
        return keepDimensions ? result : result.dropping(axes)
    }
}

/// The mean over `axes` (all of them when nil); float32 for integers and Booleans.
public func mean(_ x: Tensor, axes: [Int]? = nil, keepDimensions: Bool = false) -> Tensor {
    guard x.dtype.isFloatingPoint else {
        return mean(x.converted(to: .float32), axes: axes, keepDimensions: keepDimensions)
    }
    let count = x.normalized(axes).reduce(1) { $0 * x.shape[$1] }
    // A 16-bit sum could overflow where the mean does not.
    return Tensor.inFloat32(x) { x in
        sum(x, axes: axes, keepDimensions: keepDimensions) * (1 / Double(max(count, 1)))
    }
}

/// The variance over `axes`; `correction` 1 divides by `count - 1`, as torch does by default.
public func variance(
    _ x: Tensor, axes: [Int]? = nil, correction: Int = 1, keepDimensions: Bool = false
) -> Tensor {
    let count = x.normalized(axes).reduce(1) { $0 * x.shape[$1] }
    let centred = x - mean(x, axes: axes, keepDimensions: true)
    return sum(square(centred), axes: axes, keepDimensions: keepDimensions) * (1 / Double(max(count - correction, 1)))
}

/// The largest element along an axis; a tie shares the gradient equally.
public func maximum(_ x: Tensor, axis: Int, keepDimensions: Bool = false) -> Tensor {
    extreme(.maximum, x, axis: axis, keepDimensions: keepDimensions)
}

/// The smallest element along an axis; a tie shares the gradient equally.
public func minimum(_ x: Tensor, axis: Int, keepDimensions: Bool = false) -> Tensor {
    extreme(.minimum, x, axis: axis, keepDimensions: keepDimensions)
}

private func extreme(_ reduction: Reduction, _ x: Tensor, axis: Int, keepDimensions: Bool) -> Tensor {
    let dtype = x.dtype
    return inFloat32OrInt64(x) { x in
        let axis = x.axis(axis)
        let input = x.detached
        let output = input.backend.reduce(reduction, input, axes: [axis])
        let result = output.recorded(from: [x]) { gradient in
            let winners = input.backend.compare(.equal, input, output).converted(to: .float32)
            return [gradient * winners / sum(winners, axes: [axis], keepDimensions: true)]
        }
        return keepDimensions ? result : result.dropping([axis])
    }.converted(to: dtype)
}

/// The int64 position of the first largest element along an axis.
public func argumentMaximum(_ x: Tensor, axis: Int, keepDimensions: Bool = false) -> Tensor {
    let axis = x.axis(axis)
    let result = x.backend.argumentMaximum(x.detached.converted(to: .float32), axis: axis)
    return keepDimensions ? result : result.dropping([axis])
}

/// The product over one axis; int64 for integers and Booleans.
public func product(_ x: Tensor, axis: Int, keepDimensions: Bool = false) -> Tensor {
    inFloat32OrInt64(x) { x in
        let axis = x.axis(axis)
        let input = x.detached
        let output = input.backend.reduce(.product, input, axes: [axis])
        let result = output.recorded(from: [x]) { gradient in [gradient * productOfOthers(input, axis: axis)] }
        return keepDimensions ? result : result.dropping([axis])
    }
}

/// For each element the product of all others along the axis, without a division.
private func productOfOthers(_ x: Tensor, axis: Int) -> Tensor {
    let size = x.size(axis)
    guard size > 0 else { return x }
    let one = x.shape.indices.map { $0 == axis ? 1 : 0 }
    let zero = [Int](repeating: 0, count: x.rank)
    let before = padded(x.narrowed(axis, start: 0, count: size - 1), before: one, after: zero, value: 1)
    let after = padded(x.narrowed(axis, start: 1, count: size - 1), before: zero, after: one, value: 1)
    return x.backend.cumulative(.product, before, axis: axis, reversed: false)
        * x.backend.cumulative(.product, after, axis: axis, reversed: true)
}

/// The running sum along an axis.
public func cumulativeSum(_ x: Tensor, axis: Int) -> Tensor {
    Tensor.inFloat32(x) { x in
        let axis = x.axis(axis)
        return x.backend.cumulative(.sum, x.detached, axis: axis, reversed: false).recorded(from: [x]) { gradient in
            [gradient.backend.cumulative(.sum, gradient, axis: axis, reversed: true)]
        }
    }
}

/// The running product along an axis.
public func cumulativeProduct(_ x: Tensor, axis: Int) -> Tensor {
    Tensor.inFloat32(x) { x in
        let axis = x.axis(axis)
        let input = x.detached
        let output = input.backend.cumulative(.product, input, axis: axis, reversed: false)
        return output.recorded(from: [x]) { gradient in
            [cumulativeProductGradient(gradient, x: input, y: output, axis: axis)]
        }
    }
}

/// The gradient of `cumulativeProduct`, which is `tail(gradient * y) / x` up to the first zero of a line.
///
/// For that zero itself the products are taken as if it were 1, and what comes after it has no effect.
private func cumulativeProductGradient(_ gradient: Tensor, x: Tensor, y: Tensor, axis: Int) -> Tensor {
    let backend = gradient.backend
    func tail(_ products: Tensor) -> Tensor {
        backend.cumulative(.sum, gradient * products, axis: axis, reversed: true)
    }
    let (zero, one) = (Tensor.full(0, shape: []), Tensor.full(1, shape: []))
    let isZero = backend.compare(.equal, x, zero).converted(to: .float32)
    let zerosSoFar = backend.cumulative(.sum, isZero, axis: axis, reversed: false)
    let isFirstZero = backend.compare(.equal, isZero * zerosSoFar, one)
    let filled = backend.select(isFirstZero, one, x)
    let skipping = tail(backend.cumulative(.product, filled, axis: axis, reversed: false))
    let isBefore = backend.compare(.equal, zerosSoFar, zero)
    return backend.select(isFirstZero, skipping, backend.select(isBefore, tail(y) / filled, zero))
}

/// `exp(x) / sum(exp(x))` along an axis.
public func softmax(_ x: Tensor, axis: Int = -1) -> Tensor { softmax(x, axis: axis, logarithm: false) }

/// `x - log(sum(exp(x)))` along an axis.
public func logSoftmax(_ x: Tensor, axis: Int = -1) -> Tensor { softmax(x, axis: axis, logarithm: true) }

private func softmax(_ x: Tensor, axis: Int, logarithm: Bool) -> Tensor {
    let position = x.axis(axis)
    if position != x.rank - 1 {
        return softmax(x.transposed(position, -1), axis: -1, logarithm: logarithm).transposed(position, -1)
    }
    return Tensor.inFloat32(x) { x in
        let output = x.backend.softmax(x.detached, logarithm: logarithm)
        return output.recorded(from: [x]) { gradient in
            [gradient.backend.softmaxBackward(gradient, y: output, logarithm: logarithm)]
        }
    }
}

/// `log(sum(exp(x)))` along an axis, without overflow.
public func logSumExp(_ x: Tensor, axis: Int, keepDimensions: Bool = false) -> Tensor {
    let limit = Double(Float.greatestFiniteMagnitude)
    let x = x.converted(to: .float32)
    let largest = clamp(maximum(x.detached, axis: axis, keepDimensions: true), -limit...limit)
    let result = log(sum(exp(x - largest), axes: [axis], keepDimensions: true)) + largest
    return keepDimensions ? result : result.squeezed(axis)
}

/// The mean of `(a - b)²` over all elements.
public func meanSquaredError(_ a: Tensor, _ b: Tensor) -> Tensor { mean(square(a - b)) }
