import TensorCore
import Testing

/// One use of an op on operands of given shapes: the subject of the gradient, layout and dtype tests.
struct OpCase: Sendable, CustomTestStringConvertible {
    struct Operand: Sendable {
        let shape: [Int]
        let values: Values
    }

    let name: String
    let operands: [Operand]
    /// Shapes for the operands with a size of 0 among them.
    let emptyShapes: [[[Int]]]
    /// For central differences, over the norm of the gradient.
    let tolerance: Double
    let body: @Sendable ([Tensor]) -> Tensor

    init(
        _ name: String, _ shapes: [[Int]], _ values: Values..., empty: [[[Int]]] = [], tolerance: Double = 2e-3,
        body: @escaping @Sendable ([Tensor]) -> Tensor
    ) {
        self.name = name
        operands = shapes.enumerated().map { position, shape in
            Operand(shape: shape, values: position < values.count ? values[position] : values.last ?? .normal)
        }
        emptyShapes = empty
        self.tolerance = tolerance
        self.body = body
    }

    var testDescription: String { name }

    func inputs(seed: UInt64 = 7) -> [Tensor] {
        var generator = Generator(seed: seed)
        return operands.map { $0.values.tensor($0.shape, &generator) }
    }

    /// The output and the gradient of each input for a seed of fixed random numbers.
    func evaluate(_ inputs: [Tensor]) -> (output: Tensor, gradients: [Tensor?]) {
        ComputeThread.shared.run {
            let leaves = inputs.map { $0.tracked() }
            let output = body(leaves)
            var generator = Generator(seed: 99)
            let result = gradients(of: output, seed: generator.normals(output.shape))
            return (output.detached, leaves.map { result[$0] })
        }
    }

    static let all =
        elementwise + reductions + products + normalizations + attentions + indexing + views
        + sequences
}
