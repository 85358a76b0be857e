/// Rows of a table: `result[i...] = table[indices[i]...]`.
///
/// - Parameters:
///   - table: `[rows, ...]`.
///   - indices: any shape, int64, each in `0..<rows`.
/// - Returns: `[indices..., ...]`.
public func embedding(_ indices: Tensor, _ table: Tensor) -> Tensor {
    let indices = indices.converted(to: .int64).contiguous()
    checkIndices(indices, below: table.size(0), "embedding")
    let rows = table.size(0)
    let rowShape = Array(table.shape.dropFirst())
    let flat = indices.reshaped([-1])
    let result = sharedBackend(table, flat).gatherRows(table.detached, indices: flat).recorded(from: [table]) {
        gradient in
        [gradient.backend.scatterAddRows(gradient, indices: flat, count: rows)]
    }
    return result.reshaped(indices.shape + rowShape)
}

/// Elements along an axis: `result[.., j, ..] = x[.., indices[.., j, ..], ..]` (torch.gather).
public func gather(_ x: Tensor, indices: Tensor, axis: Int) -> Tensor {
    let axis = x.axis(axis)
    precondition(
        indices.rank == x.rank && x.shape.indices.allSatisfy { $0 == axis || indices.shape[$0] == x.shape[$0] },
        "gather: indices \(indices.shape) for shape \(x.shape) along \(axis)")
    let indices = indices.converted(to: .int64).contiguous()
    checkIndices(indices, below: x.size(axis), "gather")
    let size = x.size(axis)
    return sharedBackend(x, indices).gather(x.detached, indices: indices, axis: axis).recorded(from: [x]) { gradient in
        [gradient.backend.scatterAdd(gradient, indices: indices, axis: axis, size: size)]
    }
}

/// Adds `updates` into zeros: `result[.., indices[.., j, ..], ..] += updates[.., j, ..]` with `size` places.
public func scatterAdd(_ updates: Tensor, indices: Tensor, axis: Int, size: Int) -> Tensor {
    let axis = updates.axis(axis)
    precondition(indices.shape == updates.shape, "scatterAdd: indices \(indices.shape) for \(updates.shape)")
    let indices = indices.converted(to: .int64).contiguous()
    checkIndices(indices, below: size, "scatterAdd")
    return Tensor.inFloat32(updates) { updates in
        sharedBackend(updates, indices).scatterAdd(updates.detached, indices: indices, axis: axis, size: size)
            .recorded(from: [updates]) { gradient in
                [gradient.backend.gather(gradient, indices: indices, axis: axis)]
            }
    }
}

private func checkIndices(_ indices: Tensor, below bound: Int, _ operation: String) {
    indices.withUnsafeBytes { bytes in
        for index in bytes.bindMemory(to: Int64.self) {
            precondition(index >= 0 && index < bound, "\(operation): index \(index) of \(bound)")
        }
    }
}

/// Tensors one after another along an axis; the result lies in memory like the first.
public func concatenated(_ tensors: [Tensor], axis: Int) -> Tensor {
    precondition(!tensors.isEmpty, "concatenated: no tensors")
    if tensors.count == 1 { return tensors[0] }
    let axis = tensors[0].axis(axis)
    let dtype = tensors[0].dtype
    let tensors = tensors.map { $0.converted(to: dtype) }
    var shape = tensors[0].shape
    shape[axis] = 0
    var parts: [(part: Tensor, start: [Int])] = []
    for tensor in tensors {
        precondition(
            tensor.rank == shape.count
                && shape.indices.allSatisfy { $0 == axis || tensor.shape[$0] == shape[$0] },
            "concatenated: shapes \(tensors.map(\.shape)) along \(axis)")
        var start = [Int](repeating: 0, count: shape.count)
        start[axis] = shape[axis]
        parts.append((tensor.detached, start))
        shape[axis] += tensor.shape[axis]
    }
    let result = sharedBackend(tensors).assemble(
        parts, shape: shape, order: tensors[0].layout.memoryOrder, background: 0)
    let sizes = tensors.map { $0.shape[axis] }
    return result.recorded(from: tensors) { gradient in gradient.split(axis, sizes: sizes) }
}

/// Tensors of one shape along a new dimension.
public func stacked(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
    concatenated(tensors.map { $0.unsqueezed(axis) }, axis: axis)
}

/// `value` around a tensor: `before[i]` places before and `after[i]` after dimension i.
public func padded(_ x: Tensor, before: [Int], after: [Int], value: Double = 0) -> Tensor {
    precondition(before.count == x.rank && after.count == x.rank, "padded: \(before), \(after) of shape \(x.shape)")
    if (before + after).allSatisfy({ $0 == 0 }) { return x }
    let inner = x.shape
    let shape = x.shape.indices.map { before[$0] + x.shape[$0] + after[$0] }
    let result = x.backend.assemble(
        [(x.detached, before)], shape: shape, order: x.layout.memoryOrder, background: value)
    return result.recorded(from: [x]) { gradient in
        var part = gradient
        for dimension in inner.indices {
            part = part.narrowed(dimension, start: before[dimension], count: inner[dimension])
        }
        return [part]
    }
}

/// A new size for a `[batch, channels, height, width]` tensor.
public func resample(_ x: Tensor, _ resampling: Resampling) -> Tensor {
    precondition(x.rank == 4, "resample: shape \(x.shape)")
    // Repeating moves numbers, of whatever kind.
    if case .nearest = resampling, x.dtype == .bfloat16, !x.isTracked, x.backend is CPUBackend {
        return x.backend.resample(x, resampling)
    }
    return Tensor.inFloat32(x) { x in
        let shape = x.shape
        return x.backend.resample(x.detached, resampling).recorded(from: [x]) { gradient in
            [gradient.backend.resampleBackward(gradient, inputShape: shape, resampling)]
        }
    }
}
