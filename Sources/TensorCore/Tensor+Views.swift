extension Tensor {
    private func view(_ layout: Layout, pullback: @escaping @Sendable (Tensor) -> Tensor) -> Tensor {
        Tensor(storage: storage, dtype: dtype, layout: layout).recorded(from: [self]) { [pullback($0)] }
    }

    /// Dimensions in a new order: `result.shape[i] == shape[order[i]]`.
    public func permuted(_ order: [Int]) -> Tensor {
        let order = order.map(axis)
        precondition(Set(order).count == rank && order.count == rank, "permuted: \(order) of shape \(shape)")
        var inverse = order
        for (position, dimension) in order.enumerated() { inverse[dimension] = position }
        return view(layout.permuted(order)) { [inverse] in $0.permuted(inverse) }
    }

    /// Two dimensions swapped.
    public func transposed(_ first: Int, _ second: Int) -> Tensor {
        var order = Array(0..<rank)
        order.swapAt(axis(first), axis(second))
        return permuted(order)
    }

    /// The same elements in row-major order under another shape; one size may be -1. Copies only when it must.
    public func reshaped(_ shape: [Int]) -> Tensor {
        let shape = inferred(shape)
        if shape == self.shape { return self }
        let original = self.shape
        if let strides = layout.strides(reshapedTo: shape) {
            return view(Layout(shape: shape, strides: strides, offset: layout.offset)) { $0.reshaped(original) }
        }
        return contiguous().reshaped(shape)
    }

    private func inferred(_ shape: [Int]) -> [Int] {
        let known = shape.filter { $0 != -1 }.reduce(1, *)
        var result = shape
        if let unknown = shape.firstIndex(of: -1) { result[unknown] = known == 0 ? 0 : count / known }
        precondition(result.reduce(1, *) == count, "reshaped: \(shape) from shape \(self.shape)")
        return result
    }

    /// Dimensions `range` merged into one.
    public func flattened(_ range: ClosedRange<Int>) -> Tensor {
        let merged = shape[range].reduce(1, *)
        return reshaped(Array(shape[..<range.lowerBound]) + [merged] + Array(shape[(range.upperBound + 1)...]))
    }

    /// A dimension of size 1 inserted before `dimension` (-1: at the end).
    public func unsqueezed(_ dimension: Int) -> Tensor {
        let position = dimension < 0 ? dimension + rank + 1 : dimension
        var shape = shape
        var strides = layout.strides
        shape.insert(1, at: position)
        strides.insert(position < rank ? layout.strides[position] * layout.shape[position] : 1, at: position)
        return view(Layout(shape: shape, strides: strides, offset: layout.offset)) { $0.squeezed(position) }
    }

    /// A dimension of size 1 removed.
    public func squeezed(_ dimension: Int) -> Tensor {
        let position = axis(dimension)
        precondition(shape[position] == 1, "squeezed: dimension \(dimension) of shape \(shape)")
        var shape = shape
        var strides = layout.strides
        shape.remove(at: position)
        strides.remove(at: position)
        return view(Layout(shape: shape, strides: strides, offset: layout.offset)) { $0.unsqueezed(position) }
    }

    /// Elements `start ..< start + count * step` of a dimension, every `step`-th.
    public func narrowed(_ dimension: Int, start: Int, count: Int, step: Int = 1) -> Tensor {
        let position = axis(dimension)
        precondition(
            start >= 0 && count >= 0 && step >= 1 && (count == 0 || start + (count - 1) * step < shape[position]),
            "narrowed: \(start) + \(count) x \(step) in dimension \(position) of shape \(shape)")
        if start == 0 && count == shape[position] && step == 1 { return self }
        var narrowedShape = shape
        var strides = layout.strides
        narrowedShape[position] = count
        strides[position] *= step
        let offset = layout.offset + start * layout.strides[position]
        let (shape, order) = (shape, layout.memoryOrder)
        return view(Layout(shape: narrowedShape, strides: strides, offset: offset)) { gradient in
            gradient.spread(position, start: start, step: step, shape: shape, order: order)
        }
    }

    /// The transpose of `narrowed`: these elements in a tensor of zeros.
    private func spread(_ dimension: Int, start: Int, step: Int, shape: [Int], order: [Int]) -> Tensor {
        if step == 1 {
            var origin = [Int](repeating: 0, count: rank)
            origin[dimension] = start
            return backend.assemble([(self, origin)], shape: shape, order: order, background: 0)
        }
        let parts = (0..<size(dimension)).map { index in
            var origin = [Int](repeating: 0, count: rank)
            origin[dimension] = start + index * step
            return (narrowed(dimension, start: index, count: 1), origin)
        }
        return backend.assemble(parts, shape: shape, order: order, background: 0)
    }

    /// One element of a dimension, which disappears.
    public func selected(_ dimension: Int, _ index: Int) -> Tensor {
        narrowed(dimension, start: index < 0 ? index + size(dimension) : index, count: 1).squeezed(dimension)
    }

    /// Consecutive pieces of a dimension.
    public func split(_ dimension: Int, sizes: [Int]) -> [Tensor] {
        precondition(sizes.reduce(0, +) == size(dimension), "split: \(sizes) of dimension \(dimension) of \(shape)")
        var start = 0
        return sizes.map { size in
            defer { start += size }
            return narrowed(dimension, start: start, count: size)
        }
    }

    /// `count` equal pieces of a dimension.
    public func chunked(_ dimension: Int, count: Int) -> [Tensor] {
        let size = size(dimension)
        precondition(size % count == 0, "chunked: dimension \(dimension) of \(shape) into \(count)")
        return split(dimension, sizes: [Int](repeating: size / count, count: count))
    }

    /// Stretches dimensions of size 1, and adds dimensions at the front, without copying.
    public func expanded(to shape: [Int]) -> Tensor {
        if shape == self.shape { return self }
        precondition(broadcastShape(self.shape, shape) == shape, "expanded: \(self.shape) to \(shape)")
        let extra = shape.count - rank
        let strides = shape.indices.map { i in
            i < extra || (self.shape[i - extra] == 1 && shape[i] != 1) ? 0 : layout.strides[i - extra]
        }
        let original = self.shape
        return view(Layout(shape: shape, strides: strides, offset: layout.offset)) { $0.summed(to: original) }
    }

    /// The transpose of `expanded`: sums over the dimensions that were stretched.
    func summed(to shape: [Int]) -> Tensor {
        if shape == self.shape { return self }
        let extra = rank - shape.count
        let axes = (0..<rank).filter { $0 < extra || (shape[$0 - extra] == 1 && self.shape[$0] != 1) }
        let reduced = backend.reduce(.sum, detached, axes: axes)
        return reduced.reshaped(shape)
    }

    /// The same elements in row-major order without gaps; itself when they already are.
    public func contiguous() -> Tensor {
        layout.isContiguous ? self : arranged(Array(0..<rank))
    }

    /// The same elements, dense, with `[batch, spatial..., channels]` in memory; itself when they already are.
    public func channelsLast() -> Tensor {
        layout.isChannelsLast ? self : arranged([0] + Array(2..<rank) + [1])
    }

    /// The same elements without gaps, keeping the order of the dimensions in memory.
    package func dense() -> Tensor {
        layout.isDense ? self : arranged(layout.memoryOrder)
    }

    private func arranged(_ order: [Int]) -> Tensor {
        backend.copy(detached, order: order).recorded(from: [self]) { [$0] }
    }

    /// The same numbers in another element type. The gradient stays float32, whatever the types.
    public func converted(to dtype: DType) -> Tensor {
        if dtype == self.dtype { return self }
        let result = backend.convert(detached, to: dtype)
        guard dtype.isFloatingPoint && self.dtype.isFloatingPoint else { return result }
        return result.recorded(from: [self]) { [$0] }
    }
}

extension Layout {
    /// Strides under which the same memory has another shape, or nil when the elements must move.
    func strides(reshapedTo newShape: [Int]) -> [Int]? {
        if count == 0 { return Layout.rowMajorStrides(newShape) }
        let kept = shape.indices.filter { shape[$0] != 1 }
        let oldShape = kept.map { shape[$0] }
        let oldStrides = kept.map { strides[$0] }
        var result = [Int](repeating: 1, count: newShape.count)
        var new = 0
        var old = 0
        while new < newShape.count {
            if newShape[new] == 1 {
                result[new] = 1
                new += 1
                continue
            }
            var oldEnd = old + 1
            var newEnd = new + 1
            var oldProduct = oldShape[old]
            var newProduct = newShape[new]
            while oldProduct != newProduct {
                if oldProduct < newProduct {
                    oldProduct *= oldShape[oldEnd]
                    oldEnd += 1
                } else {
                    newProduct *= newShape[newEnd]
                    newEnd += 1
                }
            }
            for dimension in old..<(oldEnd - 1)
            where oldStrides[dimension] != oldShape[dimension + 1] * oldStrides[dimension + 1] { return nil }
            var step = oldStrides[oldEnd - 1]
            for dimension in (new..<newEnd).reversed() {
                result[dimension] = step
                step *= newShape[dimension]
            }
            old = oldEnd
            new = newEnd
        }
        return result
    }
}
