public import TensorCore

/// The largest difference between elements in the same place; infinite where shapes differ or a number is not finite.
public func maximumDifference(_ a: Tensor, _ b: Tensor) -> Float {
    guard a.shape == b.shape else { return .infinity }
    var largest: Float = 0
    for (x, y) in zip(a.floats, b.floats) {
        let difference = Swift.abs(x - y)
        guard difference.isFinite else { return .infinity }
        largest = max(largest, difference)
    }
    return largest
}

/// `|a - b| / |b|` in the Euclidean norm; infinite where shapes differ.
public func relativeL2(_ a: Tensor, _ b: Tensor) -> Double {
    let distance = l2Distance(a, b)
    return distance == 0 ? 0 : distance / l2Norm(b)
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

/// Whether two tensors have the same shape and the same bits.
public func isBitEqual(_ a: Tensor, _ b: Tensor) -> Bool {
    a.shape == b.shape && a.dtype == b.dtype
        && zip(a.floats, b.floats).allSatisfy { $0.bitPattern == $1.bitPattern }
}
