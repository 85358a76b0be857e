public import TensorCore

extension CUDADevice {
    public func copiedFromHost(_ x: Tensor) -> Tensor {
        // Blocks of bits are widened: kernels read single elements.
        let x = (x.dtype.isQuantized ? x.converted(to: .float32) : x).dense()
        let out = empty(like: x)
        let byteCount = x.count * x.dtype.byteCount
        guard byteCount > 0 else { return out }
        context.makeCurrent(driver)
        let start = UnsafeRawPointer(x.storage.pointer + x.layout.offset * x.dtype.byteCount)
        // From pageable memory the driver returns when it has read all of it.
        driver.require(
            driver.cuMemcpyHtoDAsync(out.deviceAddress, start, byteCount, stream.handle), "a copy to the device")
        withExtendedLifetime(x) {}
        return out
    }

    public func copiedToHost(_ x: Tensor) -> Tensor {
        let x = x.dense()
        let storage = Storage(byteCount: x.count * x.dtype.byteCount)
        if x.count > 0 {
            context.makeCurrent(driver)
            driver.require(
                driver.cuMemcpyDtoHAsync(storage.pointer, x.deviceAddress, storage.byteCount, stream.handle),
                "a copy from the device")
            synchronize()
        }
        return Tensor(
            storage: storage, dtype: x.dtype, layout: Layout(shape: x.shape, order: x.layout.memoryOrder))
    }

    public func full(_ value: Double, shape: [Int], dtype: DType) -> Tensor {
        let out = empty(shape, dtype: dtype)
        // The bits of one element, as the CPU writes them.
        let element = Tensor.full(value, shape: [1], dtype: dtype).withUnsafeBytes { Array($0) }
        launch(
            "fill_\(dtype.bits)", in: .data, .init(elements: out.count), .tensor(out), .bytes(element), .int(out.count))
        return out
    }

    public func copy(_ x: Tensor, order: [Int]) -> Tensor {
        let x = local(x)
        let out = empty(Layout(shape: x.shape, order: order), dtype: x.dtype)
        move(x, into: out, at: out.layout.offset, order: order)
        return out
    }

    /// Writes `x` into `out` from one of its elements on.
    private func move(_ x: Tensor, into out: Tensor, at offset: Int, order: [Int]) {
        let plan = StridedPlan(
            shape: order.map { x.shape[$0] },
            strides: [order.map { out.layout.strides[$0] }, order.map { x.layout.strides[$0] }])
        let target = UInt64(offset * x.dtype.byteCount) + out.deviceAddress
        launch(
            "move_\(x.dtype.bits)", in: .data, .init(elements: x.count), .address(target), .tensor(x), plan.argument,
            .int(x.count))
    }

    public func convert(_ x: Tensor, to dtype: DType) -> Tensor {
        let x = local(x).dense()
        if x.dtype == dtype { return x }
        let out = empty(like: x, dtype: dtype)
        launch(
            "convert", in: .data, .init(elements: x.count), .int32(x.dtype.kernelNumber), .int32(dtype.kernelNumber),
            .tensor(out), .tensor(x), .int(x.count))
        return out
    }

    public func assemble(
        _ parts: [(part: Tensor, start: [Int])], shape: [Int], order: [Int], background: Double
    ) -> Tensor {
        let dtype = parts.first?.part.dtype ?? .float32
        let layout = Layout(shape: shape, order: order)
        var out: Tensor
        if parts.reduce(0, { $0 + $1.part.count }) == layout.count {
            out = empty(layout, dtype: dtype)
        } else {
            out = full(background, shape: [layout.count], dtype: dtype)
            out = Tensor(storage: out.storage, dtype: dtype, layout: layout)
        }
        for (part, start) in parts {
            move(local(part), into: out, at: zip(start, layout.strides).reduce(0) { $0 + $1.0 * $1.1 }, order: order)
        }
        return out
    }

    public func gatherRows(_ table: Tensor, indices: Tensor) -> Tensor {
        let (table, indices) = (local(table).contiguous(), local(indices).contiguous())
        let out = empty([indices.count] + table.shape.dropFirst(), dtype: table.dtype)
        let rowBytes = table.shape.dropFirst().reduce(table.dtype.byteCount, *)
        let (bits, width) = rowBytes % 4 == 0 ? (32, rowBytes / 4) : (8, rowBytes)
        launch(
            "gather_rows_\(bits)", in: .data, .init(elements: indices.count * width), .tensor(out), .tensor(table),
            .tensor(indices), .int(indices.count), .int(width))
        return out
    }

    public func scatterAddRows(_ rows: Tensor, indices: Tensor, count: Int) -> Tensor {
        let (rows, indices) = (local(rows).contiguous(), local(indices).contiguous())
        let out = empty([count] + rows.shape.dropFirst())
        let width = rows.shape.dropFirst().reduce(1, *)
        launch(
            "scatter_add_rows_f32", in: .data, .init(elements: count * width), .tensor(out), .tensor(rows),
            .tensor(indices), .int(indices.count), .int(count), .int(width))
        return out
    }

    public func gather(_ x: Tensor, indices: Tensor, axis: Int) -> Tensor {
        let (x, indices) = (local(x).contiguous(), local(indices).contiguous())
        let out = empty(indices.shape, dtype: x.dtype)
        let (_, inner) = x.shape.around(axis)
        launch(
            "gather_\(x.dtype.bits)", in: .data, .init(elements: out.count), .tensor(out), .tensor(x), .tensor(indices),
            .int(out.count), .int(x.shape[axis]), .int(indices.shape[axis]), .int(inner))
        return out
    }

    public func scatterAdd(_ updates: Tensor, indices: Tensor, axis: Int, size: Int) -> Tensor {
        let (updates, indices) = (local(updates).contiguous(), local(indices).contiguous())
        var shape = updates.shape
        shape[axis] = size
        let out = full(0, shape: shape, dtype: .float32)
        let (outer, inner) = shape.around(axis)
        launch(
            "scatter_add_f32", in: .data, .init(elements: outer * inner), .tensor(out), .tensor(updates),
            .tensor(indices), .int(outer * inner), .int(size), .int(updates.shape[axis]), .int(inner))
        return out
    }
}
