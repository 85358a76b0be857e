/// How operands of different shapes and layouts meet: the result is dense in the memory order of the first operand
/// that has the full shape, and all strides are listed in that order.
package struct BroadcastPlan {
    package let layout: Layout
    package let shape: [Int]
    package let strides: [[Int]]
    /// Whether all operands lie in memory exactly like the result.
    package let isFlat: Bool

    package var rank: Int { shape.count }

    package init(_ operands: Tensor...) {
        var full = operands[0].shape
        for operand in operands.dropFirst() {
            guard let shape = broadcastShape(full, operand.shape) else {
                preconditionFailure("broadcast: shapes \(operands.map(\.shape))")
            }
            full = shape
        }
        let leader = operands.first { $0.shape == full && !$0.layout.strides.contains(0) } ?? operands[0]
        let order = leader.shape == full ? leader.layout.memoryOrder : Array(0..<full.count)
        layout = Layout(shape: full, order: order)
        shape = order.map { full[$0] }
        strides = operands.map { operand in
            let expanded = operand.expanded(to: full)
            return order.map { expanded.layout.strides[$0] }
        }
        let result = layout
        isFlat = operands.allSatisfy { $0.layout.matches(result) }
    }
}
