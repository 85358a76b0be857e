extension Tensor {
    /// Runs `body` on float32 inputs and gives the result back in this tensor's element type.
    static func inFloat32(_ x: Tensor, _ body: (Tensor) -> Tensor) -> Tensor {
        x.dtype == .float32 ? body(x) : body(x.converted(to: .float32)).converted(to: x.dtype)
    }
}

private func unary(_ operation: UnaryOperation, _ x: Tensor) -> Tensor {
    if !x.dtype.isFloatingPoint && !operation.keepsIntegers { return unary(operation, x.converted(to: .float32)) }
    return Tensor.inFloat32(x) { x in
        let input = x.detached
        let output = input.backend.unary(operation, input)
        return output.recorded(from: [x]) { gradient in
            [gradient.backend.unaryBackward(operation, gradient: gradient, x: input, y: output)]
        }
    }
}

extension UnaryOperation {
    /// Whether whole numbers stay whole. The other functions give float32 for integers.
    fileprivate var keepsIntegers: Bool {
        switch self {
        case .negate, .absolute, .square, .relu, .floor, .ceiling, .round, .sign: true
        default: false
        }
    }
}

public func exp(_ x: Tensor) -> Tensor { unary(.exponential, x) }
/// The natural logarithm.
public func log(_ x: Tensor) -> Tensor { unary(.logarithm, x) }
public func sqrt(_ x: Tensor) -> Tensor { unary(.squareRoot, x) }
/// `1 / sqrt(x)`.
public func rsqrt(_ x: Tensor) -> Tensor { unary(.reciprocalSquareRoot, x) }
/// `1 / x`.
public func reciprocal(_ x: Tensor) -> Tensor { unary(.reciprocal, x) }
public func square(_ x: Tensor) -> Tensor { unary(.square, x) }
public func abs(_ x: Tensor) -> Tensor { unary(.absolute, x) }
public func sin(_ x: Tensor) -> Tensor { unary(.sine, x) }
public func cos(_ x: Tensor) -> Tensor { unary(.cosine, x) }
public func tanh(_ x: Tensor) -> Tensor { unary(.tanh, x) }
/// The error function.
public func erf(_ x: Tensor) -> Tensor { unary(.errorFunction, x) }
/// `1 / (1 + exp(-x))`.
public func sigmoid(_ x: Tensor) -> Tensor { unary(.sigmoid, x) }
/// `x * sigmoid(x)`.
public func silu(_ x: Tensor) -> Tensor { unary(.silu, x) }
/// `x * Φ(x)` with the exact normal distribution function (erf), torch's default.
public func gelu(_ x: Tensor) -> Tensor { unary(.gelu, x) }
/// The tanh approximation of `gelu`.
public func geluTanh(_ x: Tensor) -> Tensor { unary(.geluTanh, x) }
/// `x * sigmoid(1.702 x)`, OpenAI CLIP's activation.
public func quickGELU(_ x: Tensor) -> Tensor { unary(.quickGELU, x) }
public func relu(_ x: Tensor) -> Tensor { unary(.relu, x) }
/// `log(1 + exp(x))`.
public func softplus(_ x: Tensor) -> Tensor { unary(.softplus, x) }
public func floor(_ x: Tensor) -> Tensor { unary(.floor, x.detached) }
public func ceil(_ x: Tensor) -> Tensor { unary(.ceiling, x.detached) }
/// To the nearest integer, halves to even.
public func round(_ x: Tensor) -> Tensor { unary(.round, x.detached) }
/// -1, 0 or 1.
public func sign(_ x: Tensor) -> Tensor { unary(.sign, x.detached) }

// MARK: - Two operands

private func promoted(_ a: Tensor, _ b: Tensor, _ body: (Tensor, Tensor) -> Tensor) -> Tensor {
    if a.dtype == b.dtype && (a.dtype == .float32 || a.dtype == .int64 || a.dtype == .int32) { return body(a, b) }
    precondition(
        a.dtype.isFloatingPoint || b.dtype.isFloatingPoint || a.dtype == b.dtype,
        "an operation on \(a.dtype) and \(b.dtype)")
    let result = body(a.converted(to: .float32), b.converted(to: .float32))
    return a.dtype == b.dtype ? result.converted(to: a.dtype) : result
}

private func checkBroadcast(_ a: Tensor, _ b: Tensor, _ operation: BinaryOperation) {
    precondition(broadcastShape(a.shape, b.shape) != nil, "\(operation): shapes \(a.shape) and \(b.shape)")
}

private func binary(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor) -> Tensor {
    promoted(a, b) { a, b in
        checkBroadcast(a, b, operation)
        let (x, y) = (a.detached, b.detached)
        let (needsA, needsB) = (a.isTracked, b.isTracked)
        let output = sharedBackend(x, y).binary(operation, x, y)
        if operation == .add || operation == .subtract {
            // Only the shapes matter to the gradient: holding the operands would keep their memory.
            let (xShape, yShape) = (x.shape, y.shape)
            return output.recorded(from: [a, b]) { gradient in
                [
                    needsA ? gradient.summed(to: xShape) : nil,
                    needsB ? (operation == .add ? gradient : -gradient).summed(to: yShape) : nil,
                ]
            }
        }
        return output.recorded(from: [a, b]) { gradient in
            let (dx, dy) = binaryGradients(operation, gradient, x, y, output, needsA, needsB)
            return [dx?.summed(to: x.shape), dy?.summed(to: y.shape)]
        }
    }
}

/// Gradients of `operation` before the sum over broadcast dimensions.
private func binaryGradients(
    _ operation: BinaryOperation, _ gradient: Tensor, _ x: Tensor, _ y: Tensor, _ output: Tensor,
    _ needsX: Bool, _ needsY: Bool
) -> (Tensor?, Tensor?) {
    switch operation {
    case .add: return (gradient, gradient)
    case .subtract: return (gradient, needsY ? -gradient : nil)
    case .multiply: return (needsX ? gradient * y : nil, needsY ? gradient * x : nil)
    case .divide: return (needsX ? gradient / y : nil, needsY ? -(gradient * output / y) : nil)
    case .maximum, .minimum:
        // A tie shares the gradient, as in PyTorch.
        let backend = sharedBackend(x, y)
        let wins = backend.compare(operation == .maximum ? .greater : .less, x, y).converted(to: .float32)
        let ties = backend.compare(.equal, x, y).converted(to: .float32)
        let share = wins + 0.5 * ties
        return (gradient * share, gradient * (1 - share))
    case .power:
        // Where the exponent is 0 the base has no effect, and where the base is 0 the exponent has none.
        let zero = Tensor.full(0, shape: [])
        let backend = sharedBackend(x, y)
        return (
            needsX
                ? gradient
                    * backend.select(
                        backend.compare(.equal, y, zero), zero, y * backend.binary(.power, x, y - 1)) : nil,
            needsY
                ? gradient
                    * backend.select(backend.compare(.equal, x, zero), zero, output * log(x)) : nil
        )
    }
}

private func binary(_ operation: BinaryOperation, _ a: Tensor, scalar: Double) -> Tensor {
    switch a.dtype {
    case .float32: break
    case .int32, .int64, .uint8, .bool:
        // Whole numbers stay whole only together with a whole number.
        guard Int32(exactly: scalar) != nil else {
            return binary(operation, a.converted(to: .float32), scalar: scalar)
        }
        if a.dtype == .int32 || a.dtype == .int64 { break }
        return Tensor.inFloat32(a) { binary(operation, $0, scalar: scalar) }
    default: return Tensor.inFloat32(a) { binary(operation, $0, scalar: scalar) }
    }
    let output = a.backend.binary(operation, a.detached, scalar: scalar)
    let x = a.detached
    let compared = { @Sendable (comparison: Comparison) in
        x.backend.compare(comparison, x, .full(scalar, shape: [])).converted(to: .float32)
    }
    // Only the last three hold on to the operand.
    switch operation {
    case .add, .subtract: return output.recorded(from: [a]) { [$0] }
    case .multiply: return output.recorded(from: [a]) { [$0 * scalar] }
    case .divide: return output.recorded(from: [a]) { [$0 / scalar] }
    case .maximum: return output.recorded(from: [a]) { [$0 * compared(.greater)] }
    case .minimum: return output.recorded(from: [a]) { [$0 * compared(.less)] }
    case .power:
        return output.recorded(from: [a]) { gradient in
            [scalar == 0 ? gradient * 0 : gradient * scalar * x.backend.binary(.power, x, scalar: scalar - 1)]
        }
    }
}

extension Tensor {
    public static func + (a: Tensor, b: Tensor) -> Tensor { binary(.add, a, b) }
    public static func - (a: Tensor, b: Tensor) -> Tensor { binary(.subtract, a, b) }
    public static func * (a: Tensor, b: Tensor) -> Tensor { binary(.multiply, a, b) }
    public static func / (a: Tensor, b: Tensor) -> Tensor { binary(.divide, a, b) }
    public static func + (a: Tensor, b: Double) -> Tensor { binary(.add, a, scalar: b) }
    public static func - (a: Tensor, b: Double) -> Tensor { binary(.subtract, a, scalar: b) }
    public static func * (a: Tensor, b: Double) -> Tensor { binary(.multiply, a, scalar: b) }
    public static func / (a: Tensor, b: Double) -> Tensor { binary(.divide, a, scalar: b) }
    public static func + (a: Double, b: Tensor) -> Tensor { binary(.add, b, scalar: a) }
    public static func * (a: Double, b: Tensor) -> Tensor { binary(.multiply, b, scalar: a) }
    public static func - (a: Double, b: Tensor) -> Tensor { binary(.add, -b, scalar: a) }
    public static func / (a: Double, b: Tensor) -> Tensor { binary(.multiply, reciprocal(b), scalar: a) }
    public static prefix func - (a: Tensor) -> Tensor { unary(.negate, a) }
}

public func maximum(_ a: Tensor, _ b: Tensor) -> Tensor { binary(.maximum, a, b) }
public func minimum(_ a: Tensor, _ b: Tensor) -> Tensor { binary(.minimum, a, b) }
public func pow(_ a: Tensor, _ exponent: Double) -> Tensor { binary(.power, a, scalar: exponent) }
public func pow(_ a: Tensor, _ exponent: Tensor) -> Tensor { binary(.power, a, exponent) }

/// Limits every element to `range`; the gradient passes where the element was inside.
public func clamp(_ x: Tensor, _ range: ClosedRange<Double>) -> Tensor {
    Tensor.inFloat32(x) { x in
        let input = x.detached
        let backend = input.backend
        let output = backend.binary(
            .minimum, backend.binary(.maximum, input, scalar: range.lowerBound), scalar: range.upperBound)
        return output.recorded(from: [x]) { gradient in
            // Clamping leaves exactly the inside elements as they were.
            [gradient * backend.compare(.equal, input, output).converted(to: .float32)]
        }
    }
}

/// `alpha * x + beta * y` in one pass over memory; equal shapes.
public func linearCombination(_ alpha: Double, _ x: Tensor, _ beta: Double, _ y: Tensor) -> Tensor {
    guard x.shape == y.shape && x.dtype == .float32 && y.dtype == .float32 else { return alpha * x + beta * y }
    let output = sharedBackend(x, y).linearCombination(alpha, x.detached, beta, y.detached)
    return output.recorded(from: [x, y]) { gradient in [gradient * alpha, gradient * beta] }
}

/// Elementwise comparison with broadcasting; a bool tensor.
public func compare(_ operation: Comparison, _ a: Tensor, _ b: Tensor) -> Tensor {
    precondition(broadcastShape(a.shape, b.shape) != nil, "\(operation): shapes \(a.shape) and \(b.shape)")
    return sharedBackend(a, b).compare(operation, a.detached, b.detached)
}

/// `a` where `condition` is true, else `b`; all three broadcast.
public func select(_ condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
    precondition(condition.dtype == .bool, "select: condition of \(condition.dtype)")
    return promoted(a, b) { a, b in
        let (x, y) = (a.detached, b.detached)
        let output = sharedBackend(condition, x, y).select(condition, x, y)
        return output.recorded(from: [a, b]) { gradient in
            let zero = Tensor.zeros([])
            return [
                gradient.backend.select(condition, gradient, zero).summed(to: x.shape),
                gradient.backend.select(condition, zero, gradient).summed(to: y.shape),
            ]
        }
    }
}
