internal import TensorCore

extension Node {
    /// The value of a node from the values of its inputs; gradients go through it.
    func value(_ inputs: [Tensor]) -> Tensor {
        func axis() -> Int { axes?.first ?? -1 }
        switch operation {
        case .constant: return values?.tensor ?? Tensor.zeros([])
        case .normal:
            var random = TorchGenerator(seed: seed ?? 0)
            return random.normal(shape ?? []) * (number ?? 1)
        case .add: return inputs[0] + inputs[1]
        case .subtract: return inputs[0] - inputs[1]
        case .multiply: return inputs[0] * inputs[1]
        case .divide: return inputs[0] / inputs[1]
        case .maximum: return TensorCore.maximum(inputs[0], inputs[1])
        case .minimum: return TensorCore.minimum(inputs[0], inputs[1])
        case .matmul: return TensorCore.matmul(inputs[0], inputs[1])
        case .scale: return inputs[0] * (number ?? 1)
        case .offset: return inputs[0] + (number ?? 0)
        case .exp: return TensorCore.exp(inputs[0])
        case .log: return TensorCore.log(inputs[0])
        case .sqrt: return TensorCore.sqrt(inputs[0])
        case .square: return TensorCore.square(inputs[0])
        case .abs: return TensorCore.abs(inputs[0])
        case .relu: return TensorCore.relu(inputs[0])
        case .sigmoid: return TensorCore.sigmoid(inputs[0])
        case .tanh: return TensorCore.tanh(inputs[0])
        case .sum: return TensorCore.sum(inputs[0], axes: axes)
        case .mean: return TensorCore.mean(inputs[0], axes: axes)
        case .softmax: return TensorCore.softmax(inputs[0], axis: axis())
        case .logSoftmax: return TensorCore.logSoftmax(inputs[0], axis: axis())
        case .argmax: return argumentMaximum(inputs[0], axis: axis()).converted(to: .float32)
        case .select: return inputs[0].selected(box(of: inputs[0].shape) { Int($0) })
        case .reshape: return inputs[0].reshaped(shape ?? [])
        case .permute: return inputs[0].permuted(axes ?? Array(0..<inputs[0].rank))
        case .stack: return stacked(inputs)
        case .concatenate: return concatenated(inputs, axis: axis())
        case .get, .set, .gradient, .setGradient, .arrivingGradient, .unembed, .saved:
            preconditionFailure("\(operation) is not computed from values")
        }
    }

    /// The node's selection for a value of a shape that validation has seen.
    func box(of shape: [Int], axis: (String) -> Int?) -> Box {
        do {
            return try ShapeRule.box(selection ?? [], of: shape, "", axis: axis)
        } catch { preconditionFailure("\(operation): \(error)") }
    }
}

extension Tensor {
    /// The part in a box.
    func selected(_ box: Box) -> Tensor {
        var result = self
        for side in box.sides { result = result.narrowed(side.axis, start: side.start, count: side.count) }
        for side in box.sides.reversed() where side.drops { result = result.squeezed(side.axis) }
        return result
    }

    /// The same tensor with `value`, broadcast, in the place of the part in a box. Gradients reach both.
    func replacing(_ box: Box, with value: Tensor) -> Tensor {
        var part = value.expanded(to: box.shape(of: shape))
        for side in box.sides where side.drops { part = part.unsqueezed(side.axis) }
        return replacing(box.sides[...], with: part)
    }

    private func replacing(_ sides: ArraySlice<Box.Side>, with value: Tensor) -> Tensor {
        guard let side = sides.first else { return value }
        let end = side.start + side.count
        let inner = narrowed(side.axis, start: side.start, count: side.count).replacing(sides.dropFirst(), with: value)
        let parts = [
            narrowed(side.axis, start: 0, count: side.start), inner,
            narrowed(side.axis, start: end, count: size(side.axis) - end),
        ].filter { $0.size(side.axis) > 0 }
        return parts.isEmpty ? self : concatenated(parts, axis: side.axis)
    }
}
