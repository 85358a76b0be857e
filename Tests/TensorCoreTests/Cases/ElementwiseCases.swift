import TensorCore

extension OpCase {
    private static func unary(
        _ name: String, _ values: Values, _ body: @escaping @Sendable (Tensor) -> Tensor
    ) -> OpCase {
        OpCase(name, [[2, 3, 4]], values, empty: [[[0]], [[2, 0, 3]]]) { body($0[0]) }
    }

    private static func binary(
        _ name: String, _ a: Values, _ b: Values, _ body: @escaping @Sendable (Tensor, Tensor) -> Tensor
    ) -> [OpCase] {
        let shapes: [(String, [[Int]])] = [
            ("", [[2, 3, 4], [2, 3, 4]]), (" rows", [[2, 3, 4], [4]]), (" outer", [[3, 1], [2, 1, 5]]),
            (" channel", [[2, 3, 2, 2], [2, 3, 1, 1]]), (" scalar", [[], [2, 3]]),
        ]
        return shapes.map { suffix, shapes in
            OpCase(name + suffix, shapes, a, b, empty: [[[0, 3], [3]], [[2, 0], [2, 1]]]) { body($0[0], $0[1]) }
        }
    }

    static let elementwise: [OpCase] =
        [
            unary("exp", .normal) { exp($0) },
            unary("log", .positive) { log($0) },
            unary("sqrt", .positive) { sqrt($0) },
            unary("rsqrt", .positive) { rsqrt($0) },
            unary("reciprocal", .positive) { reciprocal($0) },
            unary("reciprocal negative", .awayFromZero) { reciprocal($0) },
            unary("square", .normal) { square($0) },
            unary("abs", .awayFromZero) { abs($0) },
            unary("sin", .normal) { sin($0) },
            unary("cos", .normal) { cos($0) },
            unary("tanh", .normal) { tanh($0) },
            unary("erf", .normal) { erf($0) },
            unary("sigmoid", .normal) { sigmoid($0) },
            unary("silu", .normal) { silu($0) },
            unary("gelu", .normal) { gelu($0) },
            unary("geluTanh", .normal) { geluTanh($0) },
            unary("quickGELU", .normal) { quickGELU($0) },
            unary("relu", .awayFromZero) { relu($0) },
            unary("softplus", .normal) { softplus($0) },
            unary("negate", .normal) { -$0 },
            unary("add number", .normal) { $0 + 1.5 },
            unary("subtract number", .normal) { $0 - 1.5 },
            unary("multiply by number", .normal) { $0 * -2.5 },
            unary("divide by number", .normal) { $0 / 3 },
            unary("number plus", .normal) { 1.5 + $0 },
            unary("number minus", .normal) { 1.5 - $0 },
            unary("number times", .normal) { 0.5 * $0 },
            unary("number over", .awayFromZero) { 2 / $0 },
            unary("cube", .normal) { pow($0, 3) },
            unary("fractional power", .positive) { pow($0, 1.7) },
            unary("negative power", .positive) { pow($0, -0.5) },
            unary("clamp", .distinct) { clamp($0, -0.99...0.77) },
            unary("shared subexpressions", .normal) { x in
                let y = silu(x)
                return y * y + x * sin(y) - y
            },
            OpCase("linearCombination", [[2, 3, 4], [2, 3, 4]], empty: [[[0, 2], [0, 2]]]) {
                linearCombination(0.3, $0[0], -1.7, $0[1])
            },
            OpCase("select", [[2, 3, 4], [2, 3, 4]], empty: [[[2, 0, 4], [2, 0, 4]]]) { inputs in
                let shape = inputs[0].shape
                let condition = Tensor((0..<shape.reduce(1, *)).map { $0 % 3 != 1 }, shape: shape)
                return select(condition, inputs[0], inputs[1])
            },
            OpCase("select broadcasting all three", [[3, 1], [2, 1, 4]]) { inputs in
                select(Tensor([true, false, true], shape: [3, 1]), inputs[0], inputs[1])
            },
        ] + binary("add", .normal, .normal) { $0 + $1 } + binary("subtract", .normal, .normal) { $0 - $1 }
        + binary("multiply", .normal, .normal) { $0 * $1 } + binary("divide", .normal, .awayFromZero) { $0 / $1 }
        + binary("maximum", .distinct, .distinct) { maximum($0, $1 + 0.055) }
        + binary("minimum", .distinct, .distinct) { minimum($0, $1 + 0.055) }
        + binary("power", .positive, .normal) { pow($0, $1) }
}
