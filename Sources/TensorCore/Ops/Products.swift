/// Batched matrix product: `[..., m, k] x [..., k, n] -> [..., m, n]`.
///
/// - Parameter b: leading dimensions equal to those of `a`, or none (one matrix for all).
public func matmul(_ a: Tensor, _ b: Tensor) -> Tensor {
    precondition(a.rank >= 2 && b.rank >= 2 && a.size(-1) == b.size(-2), "matmul: shapes \(a.shape) and \(b.shape)")
    let a = a.converted(to: .float32)
    let b = b.converted(to: .float32)
    if b.rank > 2 && b.shape.dropLast(2) != a.shape.dropLast(2) {
        guard let batch = broadcastShape(Array(a.shape.dropLast(2)), Array(b.shape.dropLast(2))) else {
            preconditionFailure("matmul: shapes \(a.shape) and \(b.shape)")
        }
        return matmul(
            a.expanded(to: batch + a.shape.suffix(2)), b.expanded(to: batch + b.shape.suffix(2)))
    }
    let (x, y) = (a.detached, b.detached)
    let (needsA, needsB) = (a.isTracked, b.isTracked)
    return sharedBackend(x, y).matmul(x, y).recorded(from: [a, b]) { gradient in
        let dx = needsA ? gradient.backend.matmul(gradient, y.transposed(-1, -2)) : nil
        guard needsB else { return [dx, nil] }
        if y.rank == 2 && x.rank > 2 {
            let rows = x.reshaped([-1, x.size(-1)])
            return [dx, gradient.backend.matmul(rows.transposed(0, 1), gradient.reshaped([-1, gradient.size(-1)]))]
        }
        return [dx, gradient.backend.matmul(x.transposed(-1, -2), gradient)]
    }
}

/// `y = x · weightᵀ + bias`.
///
/// - Parameters:
///   - x: `[..., in]`.
///   - weight: `[out, in]`; float16, bfloat16 and quantised weights are widened, or used as they are where the processor
///     can.
///   - bias: `[out]`.
/// - Returns: `[..., out]`.
public func linear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor? = nil) -> Tensor {
    precondition(x.size(-1) == weight.size(1), "linear: input \(x.shape) for weight \(weight.shape)")
    let x = weight.learnsRounded && x.hasManyVectors ? x.converted(to: .bfloat16) : operand(x, [weight])
    let bias = bias?.converted(to: .float32)
    let (input, matrix) = (x.detached, weight.detached)
    let needs = (x: x.isTracked, weight: weight.isTracked, bias: bias?.isTracked ?? false)
    let output = sharedBackend(input, matrix, bias).linear(input, weight: matrix, bias: bias?.detached)
    let sources = [x, weight] + (bias.map { [$0] } ?? [])
    return output.recorded(from: sources) { gradient in
        let backend = gradient.backend
        // Blocks lie along rows: for the other direction they are widened.
        let columns = (matrix.dtype.isQuantized ? matrix.converted(to: .float32) : matrix).transposed(0, 1)
        let dx = needs.x ? backend.linear(gradient, weight: columns, bias: nil) : nil
        let rows = gradient.reshaped([-1, gradient.size(-1)])
        let dw = needs.weight ? matrixGradient(rows, x: input.reshaped([-1, input.size(-1)])) : nil
        let db = needs.bias ? backend.reduce(.sum, rows, axes: [0]).reshaped([rows.size(-1)]) : nil
        return [dx, dw, db]
    }
}

/// `gradient [rows, out]ᵀ · x [rows, in]`; of rounded rows, that of a convolution of one tap.
private func matrixGradient(_ gradient: Tensor, x: Tensor) -> Tensor {
    guard x.dtype == .bfloat16 else { return gradient.backend.matmul(gradient.transposed(0, 1), x) }
    func map(_ rows: Tensor) -> Tensor { rows.transposed(0, 1).unsqueezed(0).unsqueezed(2) }
    let shape = [gradient.size(1), x.size(1)]
    return gradient.backend.convolutionWeightGradient(
        map(gradient), x: map(x), weightShape: shape + [1, 1], ConvolutionGeometry()
    ).reshaped(shape)
}

/// `residual + linear(x, weight, bias)`, in one step where the processor multiplies bfloat16 weights and no gradients are
/// recorded; its bits are those of the two.
///
/// - Parameter residual: `[..., out]`.
public func linear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?, addedTo residual: Tensor) -> Tensor {
    guard isFused(x, weight, bias, residual) else { return residual + linear(x, weight, bias) }
    let bias = bias?.converted(to: .float32)
    return sharedBackend(x, weight, bias).linear(operand(x, [weight]), weight: weight, bias: bias, addedTo: residual)
}

/// `residual + convolution(x, weight, bias, geometry)`, in one step where `linear` is.
///
/// - Parameter residual: `[batch, out, height', width']`.
public func convolution(
    _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ geometry: ConvolutionGeometry, addedTo residual: Tensor
) -> Tensor {
    guard isFused(x, weight, bias, residual) else { return residual + convolution(x, weight, bias, geometry) }
    let bias = bias?.converted(to: .float32)
    return sharedBackend(x, weight, bias).convolution(
        operand(x, [weight]), weight: weight, bias: bias, geometry, addedTo: residual)
}

/// Whether a product of these may be one step with the sum that follows.
private func isFused(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ residual: Tensor) -> Bool {
    let isTracked = x.isTracked || weight.isTracked || residual.isTracked || bias?.isTracked ?? false
    return weight.isMultipliedAsBFloat16 && !isTracked && residual.dtype == .float32
}

/// `linear` of one input with each of several weights; for one vector a row without gradients, in one go.
///
/// - Parameter x: `[..., in]`.
/// - Returns: `[..., out]` for each map; its bits are those of `linear`.
public func linears(_ x: Tensor, _ maps: [AffineMap]) -> [Tensor] {
    let isTracked = x.isTracked || maps.contains { $0.weight.isTracked || $0.bias?.isTracked ?? false }
    if isTracked || maps.contains(where: { $0.bias.map { $0.dtype != .float32 } ?? false }) {
        return maps.map { linear(x, $0.weight, $0.bias) }
    }
    for map in maps {
        precondition(x.size(-1) == map.weight.size(1), "linear: input \(x.shape) for weight \(map.weight.shape)")
    }
    let weights = maps.map(\.weight)
    return sharedBackend([x] + weights).linears(operand(x, weights), maps)
}

/// Two-dimensional convolution.
///
/// - Parameters:
///   - x: `[batch, channels, height, width]`.
///   - weight: `[out, channels / groups, kernelHeight, kernelWidth]`.
///   - bias: `[out]`.
/// - Returns: `[batch, out, height', width']`, channels-last in memory.
public func convolution(
    _ x: Tensor, _ weight: Tensor, _ bias: Tensor? = nil, _ geometry: ConvolutionGeometry = .init()
) -> Tensor {
    precondition(
        x.rank == 4 && weight.rank == 4 && x.size(1) == weight.size(1) * geometry.groups
            && weight.size(0) % geometry.groups == 0,
        "convolution: input \(x.shape) for weight \(weight.shape) in \(geometry.groups) groups")
    let x = weight.learnsRounded ? x.converted(to: .bfloat16) : operand(x, [weight])
    let bias = bias?.converted(to: .float32)
    let (input, kernel) = (x.detached, weight.detached)
    let needs = (x: x.isTracked, weight: weight.isTracked, bias: bias?.isTracked ?? false)
    let output = sharedBackend(input, kernel, bias).convolution(input, weight: kernel, bias: bias?.detached, geometry)
    let sources = [x, weight] + (bias.map { [$0] } ?? [])
    return output.recorded(from: sources) { gradient in
        let backend = gradient.backend
        return [
            needs.x
                ? backend.convolutionInputGradient(gradient, weight: kernel, inputShape: input.shape, geometry) : nil,
            needs.weight
                ? backend.convolutionWeightGradient(gradient, x: input, weightShape: kernel.shape, geometry) : nil,
            needs.bias ? backend.reduce(.sum, gradient, axes: [0, 2, 3]).reshaped([gradient.size(1)]) : nil,
        ]
    }
}

extension Tensor {
    /// Whether products with these weights round what they read to bfloat16, so that whoever makes it may do so. It
    /// depends on the processor.
    public var roundsOperands: Bool {
        // By dot products alone, large maps are convolved in fp32.
        let isMatrix = shape.dropFirst(2).allSatisfy { $0 == 1 }
        return isMultipliedAsBFloat16 && (isMatrix || CPUBackend.shared.hasBFloat16Tiles)
    }

    /// Whether own kernels multiply these weights as they are.
    fileprivate var isMultipliedAsBFloat16: Bool {
        dtype == .bfloat16 && (backend as? CPUBackend)?.multipliesBFloat16 ?? false
    }

    /// Whether products with these weights round what they read, and their gradient is made of the same rounded numbers.
    fileprivate var learnsRounded: Bool { isTracked && isMultipliedAsBFloat16 && CPUBackend.shared.hasBFloat16Tiles }

    /// Whether `[batch, ..., channels]` has more than one vector a row: products of single ones do not round them.
    var hasManyVectors: Bool { rank > 2 && count > size(0) * size(-1) }
}

/// What products with these weights read: float32, or bfloat16 that they would round to.
private func operand(_ x: Tensor, _ weights: [Tensor]) -> Tensor {
    let isRounded = x.dtype == .bfloat16 && weights.allSatisfy(\.roundsOperands)
    return isRounded ? x : x.converted(to: .float32)
}
