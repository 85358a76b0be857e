import TensorCore

/// A backend with plain kernels only, those of the CPU: the fused ones are the protocol's defaults.
final class PlainBackend: Backend {
    private let cpu = CPUBackend.shared

    var name: String { "plain" }
    func forget(_ storage: Storage) {}
    func full(_ value: Double, shape: [Int], dtype: DType) -> Tensor { cpu.full(value, shape: shape, dtype: dtype) }
    func copy(_ x: Tensor, order: [Int]) -> Tensor { cpu.copy(x, order: order) }
    func convert(_ x: Tensor, to dtype: DType) -> Tensor { cpu.convert(x, to: dtype) }
    func assemble(
        _ parts: [(part: Tensor, start: [Int])], shape: [Int], order: [Int], background: Double
    ) -> Tensor {
        cpu.assemble(parts, shape: shape, order: order, background: background)
    }
    func gatherRows(_ table: Tensor, indices: Tensor) -> Tensor { cpu.gatherRows(table, indices: indices) }
    func scatterAddRows(_ rows: Tensor, indices: Tensor, count: Int) -> Tensor {
        cpu.scatterAddRows(rows, indices: indices, count: count)
    }
    func gather(_ x: Tensor, indices: Tensor, axis: Int) -> Tensor { cpu.gather(x, indices: indices, axis: axis) }
    func scatterAdd(_ updates: Tensor, indices: Tensor, axis: Int, size: Int) -> Tensor {
        cpu.scatterAdd(updates, indices: indices, axis: axis, size: size)
    }
    func unary(_ operation: UnaryOperation, _ x: Tensor) -> Tensor { cpu.unary(operation, x) }
    func unaryBackward(_ operation: UnaryOperation, gradient: Tensor, x: Tensor, y: Tensor) -> Tensor {
        cpu.unaryBackward(operation, gradient: gradient, x: x, y: y)
    }
    func binary(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor) -> Tensor { cpu.binary(operation, a, b) }
    func binary(_ operation: BinaryOperation, _ a: Tensor, scalar: Double) -> Tensor {
        cpu.binary(operation, a, scalar: scalar)
    }
    func binary(_ operation: BinaryOperation, scalar: Double, _ b: Tensor) -> Tensor {
        cpu.binary(operation, scalar: scalar, b)
    }
    func compare(_ operation: Comparison, _ a: Tensor, _ b: Tensor) -> Tensor { cpu.compare(operation, a, b) }
    func select(_ condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor { cpu.select(condition, a, b) }
    func reduce(_ reduction: Reduction, _ x: Tensor, axes: [Int]) -> Tensor { cpu.reduce(reduction, x, axes: axes) }
    func argumentMaximum(_ x: Tensor, axis: Int) -> Tensor { cpu.argumentMaximum(x, axis: axis) }
    func cumulative(_ scan: Scan, _ x: Tensor, axis: Int, reversed: Bool) -> Tensor {
        cpu.cumulative(scan, x, axis: axis, reversed: reversed)
    }
    func matmul(_ a: Tensor, _ b: Tensor) -> Tensor { cpu.matmul(a, b) }
    func convolution(_ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry) -> Tensor {
        cpu.convolution(x, weight: weight, bias: bias, geometry)
    }
    func convolutionInputGradient(
        _ gradient: Tensor, weight: Tensor, inputShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor {
        cpu.convolutionInputGradient(gradient, weight: weight, inputShape: inputShape, geometry)
    }
    func convolutionWeightGradient(
        _ gradient: Tensor, x: Tensor, weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor {
        cpu.convolutionWeightGradient(gradient, x: x, weightShape: weightShape, geometry)
    }
}
