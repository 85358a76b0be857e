public import TensorCore

/// Values that exist for a plan's sake alone: scores that a fused kernel would never write down.
///
/// Whoever only looks at them must find the model's numbers as they are without him, and the plain path that makes them
/// rounds otherwise than the fused kernel. So rows in which the plan changed nothing take the fused kernel's answer.
public struct ShownValues {
    private let site: Int
    private let pass: Pass
    private var shown: [(before: Tensor, after: Tensor)] = []

    public init(_ site: Int, _ pass: Pass) {
        self.site = site
        self.pass = pass
    }

    /// Offers a value to the plan, as `Pass.visit` does.
    ///
    /// - Parameter value: `[batch, ...]`.
    public mutating func visit(_ port: Port, _ value: Tensor) -> Tensor {
        let after = pass.visit(site, port, value)
        shown.append((value, after))
        return after
    }

    /// - Parameters:
    ///   - plain: what follows from the values as they are now, `[batch, ...]`.
    ///   - fused: what the fused kernel gives without them.
    /// - Returns: the fused answer of rows whose values have the bits that they had, the plain one of the others; the
    ///   plain one of all where gradients are to reach the values.
    public func answer(plain: Tensor, fused: @autoclosure () -> Tensor) -> Tensor {
        guard !plain.isTracked, !shown.contains(where: \.after.isTracked) else { return plain }
        let isKept = (0..<plain.size(0)).map { row in
            shown.allSatisfy { Self.row($0.before, row).hasBits(of: Self.row($0.after, row)) }
        }
        guard isKept.contains(true) else { return plain }
        let kept = fused()
        if !isKept.contains(false) { return kept }
        return concatenated(isKept.enumerated().map { Self.row($1 ? kept : plain, $0) }, axis: 0)
    }

    private static func row(_ x: Tensor, _ index: Int) -> Tensor { x.narrowed(0, start: index, count: 1) }
}
