internal import CKernels

extension CPUBackend {
    public func full(_ value: Double, shape: [Int], dtype: DType) -> Tensor {
        let out = Tensor.empty(shape, dtype: dtype)
        return kernel(into: out) {
            func fill<Scalar>(_ scalar: Scalar) {
                withUnsafePointer(to: scalar) { tk_fill(dtype.byteCount, out.rawPointer, $0, out.count) }
            }
            switch dtype {
            case .float32: fill(Float(value))
            case .float16: fill(Float16(value))
            case .bfloat16:
                var (bits, float) = (UInt16(0), Float(value))
                tk_bf16_from_f32(&bits, &float, 1)
                fill(bits)
            case .int32: fill(Int32(value))
            case .int64: fill(Int64(value))
            case .uint8: fill(UInt8(value))
            case .bool: fill(UInt8(value == 0 ? 0 : 1))
            default: preconditionFailure("full: \(dtype)")
            }
        }
    }

    public func copy(_ x: Tensor, order: [Int]) -> Tensor {
        let out = Tensor.empty(Layout(shape: x.shape, order: order), dtype: x.dtype)
        let source = x.layout.permuted(order)
        return kernel(into: out, from: x) {
            tk_copy_strided(
                x.dtype.byteCount, out.rawPointer, source.rank, source.shape, x.rawPointer, source.strides)
        }
    }

    public func convert(_ x: Tensor, to dtype: DType) -> Tensor {
        if x.dtype == dtype { return x }
        if x.dtype.isQuantized { return convert(widened(x), to: dtype) }
        let x = x.dense()
        let out = Tensor.empty(like: x, dtype: dtype)
        return kernel(into: out, from: x) { convertDense(x, out) }
    }

    /// Converts through float32 where there is no direct kernel; int64 and int32 keep their exact values.
    private func convertDense(_ x: Tensor, _ out: Tensor) {
        let count = x.count
        switch (x.dtype, out.dtype) {
        case (.int32, .int64): tk_i64_from_i32(out.pointer(), x.pointer(), count)
        case (.int64, .int32): tk_i32_from_i64(out.pointer(), x.pointer(), count)
        case (.uint8, .int64), (.bool, .int64): tk_i64_from_u8(out.pointer(), x.pointer(), count)
        case (.uint8, .bool): tk_bool_from_u8(out.pointer(), x.pointer(), count)
        case (.bool, .uint8): out.rawPointer.copyMemory(from: x.rawPointer, byteCount: count)
        case (.int64, .bool): tk_bool_from_i64(out.pointer(), x.pointer(), count)
        case (.float16, .bfloat16): tk_bf16_from_f16(out.pointer(), x.pointer(), count)
        case (.bfloat16, .float16): tk_f16_from_bf16(out.pointer(), x.pointer(), count)
        case (.float32, let target): narrow(x.pointer(), out, target, count)
        case (let source, .float32): widen(x, source, out.pointer(), count)
        case (let source, let target):
            withScratch(count) { scratch in
                widen(x, source, scratch, count)
                narrow(scratch, out, target, count)
            }
        }
    }

    private func widen(_ x: Tensor, _ source: DType, _ out: UnsafeMutablePointer<Float>, _ count: Int) {
        switch source {
        case .float32: out.update(from: x.pointer(), count: count)
        case .float16: tk_f32_from_f16(out, x.pointer(), count)
        case .bfloat16: tk_f32_from_bf16(out, x.pointer(), count)
        case .int32: tk_f32_from_i32(out, x.pointer(), count)
        case .int64: tk_f32_from_i64(out, x.pointer(), count)
        case .uint8, .bool: tk_f32_from_u8(out, x.pointer(), count)
        default: preconditionFailure("convert: from \(source)")
        }
    }

    private func narrow(_ x: UnsafePointer<Float>, _ out: Tensor, _ target: DType, _ count: Int) {
        switch target {
        case .float32: out.pointer().update(from: x, count: count)
        case .float16: tk_f16_from_f32(out.pointer(), x, count)
        case .bfloat16: tk_bf16_from_f32(out.pointer(), x, count)
        case .int32: tk_i32_from_f32(out.pointer(), x, count)
        case .int64: tk_i64_from_f32(out.pointer(), x, count)
        case .uint8: tk_u8_from_f32(out.pointer(), x, count)
        case .bool: tk_bool_from_f32(out.pointer(), x, count)
        default: preconditionFailure("convert: to \(target)")
        }
    }

    public func assemble(
        _ parts: [(part: Tensor, start: [Int])], shape: [Int], order: [Int], background: Double
    ) -> Tensor {
        let dtype = parts.first?.part.dtype ?? .float32
        let layout = Layout(shape: shape, order: order)
        let isCovered = parts.reduce(0) { $0 + $1.part.count } == layout.count
        let out: Tensor
        if isCovered {
            out = Tensor.empty(layout, dtype: dtype)
        } else {
            let filled = full(background, shape: [layout.count], dtype: dtype)
            out = Tensor(storage: filled.storage, dtype: dtype, layout: layout)
        }
        for (part, start) in parts where part.count > 0 {
            // The part, dense in the destination's order of dimensions, goes in with large inner runs.
            let source = copyNeeded(part, order: order) ? copy(part, order: order) : part
            let offset = zip(start, layout.strides).reduce(0) { $0 + $1.0 * $1.1 }
            let strides = order.map { layout.strides[$0] }
            let partShape = order.map { part.shape[$0] }
            _ = kernel(into: out, from: source) {
                tk_copy_into_strided(
                    dtype.byteCount, out.rawPointer + offset * dtype.byteCount, strides, source.rawPointer,
                    partShape.count, partShape)
            }
        }
        return out
    }

    private func copyNeeded(_ x: Tensor, order: [Int]) -> Bool { !x.layout.permuted(order).isContiguous }

    public func gatherRows(_ table: Tensor, indices: Tensor) -> Tensor {
        if table.dtype.isQuantized { return widenedRows(table, indices) }
        let table = table.contiguous()
        let out = Tensor.empty([indices.count] + table.shape.dropFirst(), dtype: table.dtype)
        let rowBytes = table.shape.dropFirst().reduce(table.dtype.byteCount, *)
        return kernel(into: out, from: table, indices) {
            tk_gather_rows(out.rawPointer, table.rawPointer, indices.pointer(), indices.count, rowBytes)
        }
    }

    public func scatterAddRows(_ rows: Tensor, indices: Tensor, count: Int) -> Tensor {
        let rows = rows.contiguous()
        let out = full(0, shape: [count] + rows.shape.dropFirst(), dtype: .float32)
        let columns = rows.shape.dropFirst().reduce(1, *)
        return kernel(into: out, from: rows, indices) {
            tk_scatter_add_rows_f32(out.pointer(), rows.pointer(), indices.pointer(), indices.count, columns)
        }
    }

    public func gather(_ x: Tensor, indices: Tensor, axis: Int) -> Tensor {
        let x = x.contiguous()
        let out = Tensor.empty(indices.shape, dtype: x.dtype)
        let (outer, inner) = x.shape.around(axis)
        return kernel(into: out, from: x, indices) {
            tk_gather_axis(
                x.dtype.byteCount, out.rawPointer, x.rawPointer, indices.pointer(), outer, x.shape[axis],
                indices.shape[axis], inner)
        }
    }

    public func scatterAdd(_ updates: Tensor, indices: Tensor, axis: Int, size: Int) -> Tensor {
        let updates = updates.contiguous()
        var shape = updates.shape
        shape[axis] = size
        let out = full(0, shape: shape, dtype: .float32)
        let (outer, inner) = shape.around(axis)
        return kernel(into: out, from: updates, indices) {
            tk_scatter_add_axis_f32(
                out.pointer(), updates.pointer(), indices.pointer(), outer, size, updates.shape[axis], inner)
        }
    }
}

extension [Int] {
    /// The number of elements before and after an axis of a row-major shape.
    package func around(_ axis: Int) -> (outer: Int, inner: Int) {
        (self[..<axis].reduce(1, *), self[(axis + 1)...].reduce(1, *))
    }
}
