/// The shape of a node's value from the shapes of its inputs, without computing anything.
enum ShapeRule {
    /// - Parameters:
    ///   - inputs: shapes of the inputs.
    ///   - place: the node, for messages.
    /// - Throws: `TraceError` where the shapes do not fit, or an attribute is missing.
    static func shape(_ node: Node, _ inputs: [[Int]], _ place: String) throws -> [Int] {
        func fail(_ expected: String, _ found: String) -> TraceError {
            TraceError(.shape, place, expected: expected, found: found)
        }
        func axes() throws -> [Int] {
            let rank = inputs[0].count
            let axes = try (node.axes ?? Array(0..<rank)).map { axis in
                guard (-rank..<rank).contains(axis) else { throw fail("axes of shape \(inputs[0])", "\(axis)") }
                return axis < 0 ? axis + rank : axis
            }
            guard Set(axes).count == axes.count else { throw fail("axes that differ", "\(axes)") }
            return axes
        }
        func onlyAxis() throws -> Int {
            guard let axis = try axes().first, node.axes?.count == 1 else {
                throw fail("one axis", "\(node.axes ?? [])")
            }
            return axis
        }
        func without(_ axes: [Int]) -> [Int] { inputs[0].indices.filter { !axes.contains($0) }.map { inputs[0][$0] } }

        switch node.operation {
        case .constant:
            guard let values = node.values else { throw fail("values", "none") }
            return values.shape
        case .normal:
            guard let shape = node.shape, node.seed != nil, TensorLiteral.count(shape) != nil else {
                throw fail("a shape and a seed", "\(node.shape ?? [])")
            }
            return shape
        case .add, .subtract, .multiply, .divide, .maximum, .minimum:
            guard let shape = broadcast(inputs[0], inputs[1]) else {
                throw fail("shapes that broadcast", "\(inputs[0]) and \(inputs[1])")
            }
            return shape
        case .matmul:
            let (a, b) = (inputs[0], inputs[1])
            guard a.count >= 2, b.count >= 2, a[a.count - 1] == b[b.count - 2],
                let batch = broadcast(Array(a.dropLast(2)), Array(b.dropLast(2)))
            else { throw fail("matrices [..., n, k] and [..., k, m]", "\(a) and \(b)") }
            return batch + [a[a.count - 2], b[b.count - 1]]
        case .scale, .offset:
            guard node.number != nil else { throw fail("a number", "none") }
            return inputs[0]
        case .exp, .log, .sqrt, .square, .abs, .relu, .sigmoid, .tanh: return inputs[0]
        case .sum, .mean: return without(try axes())
        case .softmax, .logSoftmax:
            _ = try onlyAxis()
            return inputs[0]
        case .argmax: return without([try onlyAxis()])
        case .select:
            return try box(node.selection ?? [], of: inputs[0], place) { Int($0) }.shape(of: inputs[0])
        case .reshape:
            guard let shape = node.shape, let count = TensorLiteral.count(shape),
                count == TensorLiteral.count(inputs[0])
            else { throw fail("a shape of as many elements as \(inputs[0])", "\(node.shape ?? [])") }
            return shape
        case .permute:
            let order = try axes()
            guard order.count == inputs[0].count else { throw fail("all axes of \(inputs[0])", "\(order)") }
            return order.map { inputs[0][$0] }
        case .stack:
            guard inputs.allSatisfy({ $0 == inputs[0] }) else { throw fail("inputs of one shape", "\(inputs)") }
            return [inputs.count] + inputs[0]
        case .concatenate:
            let axis = try onlyAxis()
            var shape = inputs[0]
            shape[axis] = 0
            for input in inputs {
                guard input.count == shape.count, shape.indices.allSatisfy({ $0 == axis || input[$0] == shape[$0] })
                else {
                    throw fail("inputs that differ along axis \(axis) only", "\(inputs)")
                }
                shape[axis] += input[axis]
            }
            return shape
        case .get, .set, .gradient, .setGradient, .arrivingGradient, .unembed, .saved:
            preconditionFailure("\(node.operation) has a shape of the model's")
        }
    }

    /// The common shape of two, or nil.
    static func broadcast(_ a: [Int], _ b: [Int]) -> [Int]? {
        let rank = max(a.count, b.count)
        let (x, y) = ([Int](repeating: 1, count: rank - a.count) + a, [Int](repeating: 1, count: rank - b.count) + b)
        var result: [Int] = []
        for (m, n) in zip(x, y) {
            guard m == n || m == 1 || n == 1 else { return nil }
            result.append(m == 1 ? n : m)
        }
        return result
    }

    /// A selection in numbers.
    ///
    /// - Parameter axis: the number of an axis by its name.
    static func box(
        _ selection: [AxisSelection], of shape: [Int], _ place: String, axis number: (String) -> Int?
    ) throws -> Box {
        var sides: [Box.Side] = []
        for part in selection {
            guard let axis = number(part.axis), shape.indices.contains(axis),
                !sides.contains(where: { $0.axis == axis })
            else {
                throw TraceError(
                    .selection, place, expected: "an axis of shape \(shape), named once", found: "\"\(part.axis)\"",
                    advice: "token, head, key and channel where the site has them, or a number")
            }
            let size = shape[axis]
            let (start, overflows) = part.start.addingReportingOverflow(part.start < 0 ? size : 0)
            let count = part.count ?? (size - start)
            guard !overflows, start >= 0, count >= 0, start <= size, count <= size - start, !part.drops || count == 1
            else {
                throw TraceError(
                    .selection, place, expected: "places within the \(size) of axis \(part.axis)",
                    found: "\(part.start) and \(part.count.map(String.init) ?? "all") that follow")
            }
            sides.append(Box.Side(axis: axis, start: start, count: count, drops: part.drops))
        }
        return Box(sides: sides.sorted { $0.axis < $1.axis })
    }
}
