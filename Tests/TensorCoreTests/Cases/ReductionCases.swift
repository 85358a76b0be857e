import TensorCore

extension OpCase {
    private static func reduction(
        _ name: String, _ values: Values = .normal, shape: [Int] = [3, 4, 5], empty: [[[Int]]] = [],
        tolerance: Double = 2e-3, _ body: @escaping @Sendable (Tensor) -> Tensor
    ) -> OpCase {
        OpCase(name, [shape], values, empty: empty, tolerance: tolerance) { body($0[0]) }
    }

    static let reductions: [OpCase] = [
        reduction("sum of all", empty: [[[0, 3]]]) { sum($0) },
        reduction("sum of a scalar", shape: []) { sum($0) },
        reduction("sum over the first axis", empty: [[[2, 3, 0]], [[0, 2, 2]]]) { sum($0, axes: [0]) },
        reduction("sum over the middle axis", empty: [[[2, 0, 3]]]) { sum($0, axes: [1]) },
        reduction("sum over outer axes") { sum($0, axes: [0, -1]) },
        reduction("sum kept") { sum($0, axes: [1, 2], keepDimensions: true) },
        reduction("sum over space", shape: [2, 3, 4, 5]) { sum($0, axes: [0, 2, 3]) },
        reduction("sum over many rows", shape: [700, 3]) { sum($0, axes: [0]) },
        reduction("mean of all") { mean($0) },
        reduction("mean over the last axis") { mean($0, axes: [-1], keepDimensions: true) },
        reduction("variance of all") { variance($0) },
        reduction("biased variance") { variance($0, axes: [0, 2], correction: 0) },
        reduction("maximum", .distinct, empty: [[[0, 3, 2]]]) { maximum($0, axis: 1) },
        reduction("maximum kept", .distinct) { maximum($0, axis: -1, keepDimensions: true) },
        reduction("minimum", .distinct, empty: [[[3, 0, 2]]]) { minimum($0, axis: 0) },
        reduction("product", .awayFromZero, empty: [[[0, 3, 2]]]) { product($0, axis: 1) },
        reduction("cumulativeSum", empty: [[[2, 0, 2]]]) { cumulativeSum($0, axis: 1) },
        reduction("cumulativeSum of the last axis") { cumulativeSum($0, axis: -1) },
        reduction("cumulativeProduct", .awayFromZero, empty: [[[2, 0, 2]]]) { cumulativeProduct($0, axis: 1) },
        reduction("cumulativeProduct of the last axis", .awayFromZero) { cumulativeProduct($0, axis: -1) },
        reduction("softmax", empty: [[[0, 3]], [[2, 0]]]) { softmax($0) },
        reduction("softmax over the middle axis") { softmax($0, axis: 1) },
        reduction("softmax of long rows", shape: [2, 130]) { softmax($0) * 100 },
        reduction("logSoftmax", empty: [[[0, 3]]]) { logSoftmax($0) },
        reduction("logSoftmax over the first axis") { logSoftmax($0, axis: 0) },
        reduction("logSumExp", empty: [[[0, 3, 2]]]) { logSumExp($0, axis: 1) },
        reduction("logSumExp kept") { logSumExp($0, axis: -1, keepDimensions: true) },
        OpCase("meanSquaredError", [[3, 4], [3, 4]]) { meanSquaredError($0[0], $0[1]) },
    ]
}
