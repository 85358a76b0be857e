public import TensorCore

/// A float32 tensor from literals, whole or not; a row when no shape is given.
public func tensor(_ values: [Float], _ shape: [Int]? = nil) -> Tensor { Tensor(values, shape: shape) }

/// The largest absolute difference of two tensors; infinity when their shapes differ or just one of a pair is NaN.
public func maximumDifference(_ a: Tensor, _ b: Tensor) -> Float {
    guard a.shape == b.shape else { return .infinity }
    var largest: Float = 0
    for (x, y) in zip(a.floats, b.floats) where x != y && !(x.isNaN && y.isNaN) {
        let difference = abs(x - y)
        if difference.isNaN { return .infinity }
        largest = max(largest, difference)
    }
    return largest
}

/// The norm of the difference over the norm of `expected`, which counts as at least `floor`.
///
/// Infinity when the shapes differ or a difference is NaN.
public func relativeL2(_ actual: Tensor, _ expected: Tensor, floor: Double = 1e-12) -> Double {
    guard actual.shape == expected.shape else { return .infinity }
    var difference = 0.0
    var norm = 0.0
    for (x, y) in zip(actual.floats, expected.floats) {
        difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
        norm += Double(y) * Double(y)
    }
    let result = difference.squareRoot() / max(norm.squareRoot(), floor)
    return result.isNaN ? .infinity : result
}

/// Whether two tensors have one shape and the same bits in every element (NaN equals NaN).
public func isBitEqual(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.shape == b.shape && a.dtype == b.dtype else { return false }
    let (x, y) = (a.detached.contiguous(), b.detached.contiguous())
    return x.withUnsafeBytes { left in y.withUnsafeBytes { right in left.elementsEqual(right) } }
}

/// Where two tensors first differ by more than `absolute + relative * |expected|`, in words; nil when they agree.
public func mismatch(
    _ actual: Tensor, _ expected: Tensor, absolute: Float = 1e-5, relative: Float = 1e-5
) -> String? {
    guard actual.shape == expected.shape else { return "shape \(actual.shape), expected \(expected.shape)" }
    var worst: (position: Int, excess: Float)?
    let (a, b) = (actual.floats, expected.floats)
    for i in a.indices where a[i] != b[i] && !(a[i].isNaN && b[i].isNaN) {
        let excess = abs(a[i] - b[i]) - absolute - relative * abs(b[i])
        if excess.isNaN { return "element \(i) is \(a[i]), expected \(b[i])" }
        if excess > worst?.excess ?? 0 { worst = (i, excess) }
    }
    return worst.map { "element \($0.position) is \(a[$0.position]), expected \(b[$0.position])" }
}

/// `|a - b|` in the Euclidean norm; infinite where shapes differ or a number is not finite.
public func l2Distance(_ a: Tensor, _ b: Tensor) -> Double {
    guard a.shape == b.shape else { return .infinity }
    var sum = 0.0
    for (x, y) in zip(a.floats, b.floats) { sum += (Double(x) - Double(y)) * (Double(x) - Double(y)) }
    return sum.isFinite ? sum.squareRoot() : .infinity
}

/// The Euclidean norm over all elements.
public func l2Norm(_ x: Tensor) -> Double {
    x.floats.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
}
