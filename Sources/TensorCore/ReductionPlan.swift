/// A reduction over any axes as a chain of reductions of `[outer, axis, inner]`.
///
/// In memory order, neighbouring dimensions that are both reduced (or both kept) act as one.
package struct ReductionPlan {
    private let x: Tensor
    private let axes: [Int]
    private let order: [Int]
    private var groups: [(size: Int, isReduced: Bool)] = []

    /// - Parameter x: of any layout; it is made dense.
    package init(_ x: Tensor, axes: [Int]) {
        self.x = x.dense()
        self.axes = axes
        order = self.x.layout.memoryOrder
        for dimension in order where x.shape[dimension] != 1 {
            let isReduced = axes.contains(dimension)
            if let last = groups.last, last.isReduced == isReduced {
                groups[groups.count - 1].size *= x.shape[dimension]
            } else {
                groups.append((x.shape[dimension], isReduced))
            }
        }
    }

    /// The result, whose reduced axes have size 1.
    ///
    /// - Parameter reduceAxis: reduces the axis of a dense `[outer, axis, inner]`.
    package func run(_ reduceAxis: (_ x: Tensor, _ outer: Int, _ axis: Int, _ inner: Int) -> Tensor) -> Tensor {
        var groups = groups
        var current = Tensor(
            storage: x.storage, dtype: x.dtype, layout: Layout(shape: [x.count], strides: [1], offset: x.layout.offset))
        while let position = groups.lastIndex(where: \.isReduced) {
            let outer = groups[..<position].reduce(1) { $0 * $1.size }
            let inner = groups[(position + 1)...].reduce(1) { $0 * $1.size }
            current = reduceAxis(current, outer, groups[position].size, inner)
            groups.remove(at: position)
        }
        let shape = x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] }
        let strides = Layout(shape: shape, order: order).strides
        return Tensor(
            storage: current.storage, dtype: current.dtype,
            layout: Layout(shape: shape, strides: strides, offset: current.layout.offset))
    }
}
