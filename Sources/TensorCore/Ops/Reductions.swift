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

/// The sum over `axes` (all of them when nil).
public func sum(_ x: Tensor, axes: [Int]? = nil, keepDimensions: Bool = false) -> Tensor {
    Tensor.inFloat32(x) { x in
        let axes = x.normalized(axes)
        let (shape, keptShape) = (x.shape, x.shapeKeeping(axes))
        let result = x.backend.reduce(.sum, x.detached, axes: axes).recorded(from: [x]) { gradient in
            [gradient.reshaped(keptShape).expanded(to: shape)]
        }
        return keepDimensions ? result : result.dropping(axes)
    }
}

/// The mean over `axes` (all of them when nil).
public func mean(_ x: Tensor, axes: [Int]? = nil, keepDimensions: Bool = false) -> Tensor {
    let count = x.normalized(axes).reduce(1) { $0 * x.shape[$1] }
    return sum(x, axes: axes, keepDimensions: keepDimensions) * (1 / Double(max(count, 1)))
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
    Tensor.inFloat32(x) { x in
        let axis = x.axis(axis)
        let input = x.detached
        let output = input.backend.reduce(reduction, input, axes: [axis])
        let result = output.recorded(from: [x]) { gradient in
            let winners = input.backend.compare(.equal, input, output).converted(to: .float32)
            return [gradient * winners / sum(winners, axes: [axis], keepDimensions: true)]
        }
        return keepDimensions ? result : result.dropping([axis])
    }
}

/// The int64 position of the first largest element along an axis.
public func argumentMaximum(_ x: Tensor, axis: Int, keepDimensions: Bool = false) -> Tensor {
    let axis = x.axis(axis)
    let result = x.backend.argumentMaximum(x.detached.converted(to: .float32), axis: axis)
    return keepDimensions ? result : result.dropping([axis])
}

/// The product over one axis; the gradient is exact where no element is zero.
public func product(_ x: Tensor, axis: Int, keepDimensions: Bool = false) -> Tensor {
    Tensor.inFloat32(x) { x in
        let axis = x.axis(axis)
        let input = x.detached
        let output = input.backend.reduce(.product, input, axes: [axis])
        let result = output.recorded(from: [x]) { gradient in [gradient * output / input] }
        return keepDimensions ? result : result.dropping([axis])
    }
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

/// The running product along an axis; the gradient is exact where no element is zero.
public func cumulativeProduct(_ x: Tensor, axis: Int) -> Tensor {
    Tensor.inFloat32(x) { x in
        let axis = x.axis(axis)
        let input = x.detached
        let output = input.backend.cumulative(.product, input, axis: axis, reversed: false)
        return output.recorded(from: [x]) { gradient in
            [gradient.backend.cumulative(.sum, gradient * output, axis: axis, reversed: true) / input]
        }
    }
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
    let largest = maximum(x.detached, axis: axis, keepDimensions: true)
    let result = log(sum(exp(x - largest), axes: [axis], keepDimensions: true)) + largest
    return keepDimensions ? result : result.squeezed(axis)
}

/// The mean of `(a - b)²` over all elements.
public func meanSquaredError(_ a: Tensor, _ b: Tensor) -> Tensor { mean(square(a - b)) }
