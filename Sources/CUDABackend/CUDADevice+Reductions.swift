public import TensorCore

extension CUDADevice {
    public func reduce(_ reduction: Reduction, _ x: Tensor, axes: [Int]) -> Tensor {
        let x = local(x)
        if axes.isEmpty { return x }
        return ReductionPlan(x, axes: axes).run { x, outer, axis, inner in
            reduceAxis(reduction, x, outer: outer, axis: axis, inner: inner)
        }
    }

    /// Blocks that keep a large GPU busy; parts of an axis are cut so that there are about as many.
    private static let wantedBlocks = 1024

    func reduceAxis(_ reduction: Reduction, _ x: Tensor, outer: Int, axis: Int, inner: Int) -> Tensor {
        let out = empty([outer * inner], dtype: x.dtype)
        if x.dtype == .int64 {
            launch(
                "reduce_i64", in: .reductions, .init(elements: out.count), .int32(reduction.number), .tensor(out),
                .tensor(x), .int(out.count), .int(axis), .int(inner))
            return out
        }
        if axis <= 16 || (inner > 1 && outer > 65535) {
            launch(
                "reduce_lines_f32", in: .reductions, .init(elements: out.count), .int32(reduction.number), .tensor(out),
                .tensor(x), .int(out.count), .int(axis), .int(inner))
            return out
        }
        let isRow = inner == 1
        let blocks = isRow ? outer : (inner + 31) / 32 * outer
        let smallest = isRow ? 4096 : 64
        let wanted = max(1, min(Self.wantedBlocks / max(blocks, 1), axis / smallest))
        let chunk = (axis + wanted - 1) / wanted
        let chunks = (axis + chunk - 1) / chunk
        let parts = chunks == 1 ? out : empty([outer * chunks * inner])
        if isRow {
            launch(
                "reduce_rows_f32", in: .reductions, .init(grid: (outer, chunks, 1)), .int32(reduction.number),
                .tensor(parts), .tensor(x), .int(axis), .int(chunk))
        } else {
            launch(
                "reduce_columns_f32", in: .reductions,
                .init(grid: ((inner + 31) / 32, chunks, outer), block: (32, 8)), .int32(reduction.number),
                .tensor(parts), .tensor(x), .int(axis), .int(inner), .int(chunk))
        }
        return chunks == 1 ? out : reduceAxis(reduction, parts, outer: outer, axis: chunks, inner: inner)
    }

    public func argumentMaximum(_ x: Tensor, axis: Int) -> Tensor {
        let x = local(x).contiguous()
        var shape = x.shape
        shape[axis] = 1
        let out = empty(shape, dtype: .int64)
        launch(
            "argument_maximum_f32", in: .reductions, .init(elements: out.count), .tensor(out), .tensor(x),
            .int(out.count), .int(x.shape[axis]), .int(x.shape.around(axis).inner))
        return out
    }

    public func cumulative(_ scan: Scan, _ x: Tensor, axis: Int, reversed: Bool) -> Tensor {
        let x = local(x).contiguous()
        let out = empty(x.shape)
        let lines = x.count / max(x.shape[axis], 1)
        launch(
            "cumulative_f32", in: .reductions, .init(elements: lines), .flag(scan == .product), .flag(reversed),
            .tensor(out), .tensor(x), .int(lines), .int(x.shape[axis]), .int(x.shape.around(axis).inner))
        return out
    }

    public func softmax(_ x: Tensor, logarithm: Bool) -> Tensor {
        let x = local(x).contiguous()
        let out = empty(x.shape)
        launch(
            "softmax_f32", in: .reductions, .init(rows: x.count / max(x.size(-1), 1)), .flag(logarithm), .tensor(out),
            .tensor(x), .int(x.size(-1)))
        return out
    }

    public func softmaxBackward(_ gradient: Tensor, y: Tensor, logarithm: Bool) -> Tensor {
        let (gradient, y) = (local(gradient).contiguous(), local(y).contiguous())
        let out = empty(y.shape)
        launch(
            "softmax_backward_f32", in: .reductions, .init(rows: y.count / max(y.size(-1), 1)), .flag(logarithm),
            .tensor(out), .tensor(gradient), .tensor(y), .int(y.size(-1)))
        return out
    }
}
