public import TensorCore

extension CUDADevice {
    var compute: CuBLAS.Compute { productPrecision == .tf32 ? .tf32 : .float32 }

    public func matmul(_ a: Tensor, _ b: Tensor) -> Tensor {
        let (a, b) = (local(a), local(b))
        let (m, k, n) = (a.size(-2), a.size(-1), b.size(-1))
        let shape: [Int] = a.shape.dropLast(2) + [m, n]
        if a.count == 0 || b.count == 0 { return full(0, shape: shape, dtype: .float32) }
        let out = empty(shape)
        if b.rank == 2 {
            let rows = a.reshaped([-1, k])
            multiply(rows.size(0), n, k, batch: 1, rows, b, into: out)
        } else {
            multiply(m, n, k, batch: shape.dropLast(2).reduce(1, *), a, b, into: out)
        }
        return out
    }

    private func multiply(_ m: Int, _ n: Int, _ k: Int, batch: Int, _ a: Tensor, _ b: Tensor, into out: Tensor) {
        let (a, b) = (a.productOperand(), b.productOperand())
        blas.multiply(
            m: m, n: n, k: k, batch: batch, a.operand, b.operand, into: out.deviceAddress, compute: compute)
        withExtendedLifetime((a, b)) {}
    }

    public func linear(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
        var (x, weight) = (local(x), local(weight))
        let (inputs, outputs) = (weight.size(1), weight.size(0))
        let shape = x.shape.dropLast() + [outputs]
        if x.count == 0 || weight.count == 0 {
            let zeros = full(0, shape: Array(shape), dtype: .float32)
            return bias.map { binary(.add, zeros, $0) } ?? zeros
        }
        // Operands of one type: bfloat16 weights multiply on tensor cores, float16 is widened.
        if weight.dtype == .bfloat16 {
            x = convert(x, to: .bfloat16)
        } else {
            weight = convert(weight, to: .float32)
        }
        let rows = x.reshaped([-1, inputs])
        let out = empty([rows.size(0), outputs])
        multiply(rows.size(0), outputs, inputs, batch: 1, rows, weight.transposed(0, 1), into: out)
        addBias(bias, to: out, columns: outputs)
        return out.reshaped(Array(shape))
    }

    /// Adds `bias [columns]` to the rows of a fresh result.
    func addBias(_ bias: Tensor?, to out: Tensor, columns: Int) {
        guard let bias = local(bias)?.contiguous() else { return }
        launch(
            "add_bias", in: .convolution, .init(elements: out.count), .tensor(out), .tensor(bias), .int(out.count),
            .int(columns))
    }
}

extension Tensor {
    /// The last two dimensions as cuBLAS takes them, and what must stay alive for it.
    fileprivate func productOperand() -> (operand: CuBLAS.Operand, owner: Tensor) {
        let leading = StridedPlan(
            shape: Array(shape.dropLast(2)), strides: [Array(layout.strides.dropLast(2))])
        let (rows, columns) = (size(-2), size(-1))
        let (rowStride, columnStride) = (layout.strides[rank - 2], layout.strides[rank - 1])
        let isPlain = (columnStride == 1 || columns == 1) && (rowStride >= columns || rows == 1)
        let isTransposed = (rowStride == 1 || rows == 1) && (columnStride >= rows || columns == 1)
        guard leading.shape.count <= 1, isPlain || isTransposed else {
            return contiguousCopy().productOperand()
        }
        let stride = isPlain ? (rows == 1 ? columns : rowStride) : (columns == 1 ? rows : columnStride)
        let operand = CuBLAS.Operand(
            address: deviceAddress, dtype: dtype, isTransposed: !isPlain, stride: max(stride, 1),
            batchStride: leading.strides[0].first ?? 0)
        return (operand, self)
    }

    private func contiguousCopy() -> Tensor { backend.copy(self, order: Array(0..<rank)) }
}
