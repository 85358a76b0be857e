internal import COneDNN

/// One matrix product problem: `batch x [m, k] · [k, n] (+ bias [n])`.
struct MatmulKey: Hashable {
    var batch: Int
    var m: Int
    var n: Int
    var k: Int
    /// Strides of (batch, row, column).
    var aStrides: [Int]
    /// Nil lets oneDNN choose a packed format.
    var bStrides: [Int]?
    var hasBias: Bool
    var operandType: DType
    /// The stride of the product's rows; n when nil.
    var outputStride: Int?
}

/// The compiled primitive of a `MatmulKey`.
final class MatmulPlan {
    let primitive: DNNLPrimitive
    /// The format in which the primitive reads the weights, and its number among those seen.
    let packedFormat: dnnl_memory_desc_t
    let packedFormatID: Int

    init(_ key: MatmulKey, formats: FormatIndex) {
        let isBatched = key.batch > 1
        func shape(_ rows: Int, _ columns: Int) -> [Int] { isBatched ? [key.batch, rows, columns] : [rows, columns] }
        func strides(_ all: [Int]) -> [Int] { isBatched ? all : Array(all.dropFirst()) }
        var a = DNNL.memory(shape(key.m, key.k), strides: strides(key.aStrides), key.operandType)
        var b = DNNL.memory(shape(key.k, key.n), strides: key.bStrides.map(strides), key.operandType)
        let outputStride = key.outputStride ?? key.n
        var c = DNNL.memory(shape(key.m, key.n), strides: strides([key.m * outputStride, outputStride, 1]))
        var bias = DNNL.memory(
            shape(1, key.n).map { $0 == key.batch && isBatched ? 1 : $0 }, strides: strides([key.n, key.n, 1]))
        var operation = dnnl_matmul_desc_t()
        let status =
            key.hasBias
            ? dnnl_matmul_desc_init(&operation, &a, &b, &bias, &c) : dnnl_matmul_desc_init(&operation, &a, &b, nil, &c)
        DNNL.check(status, "matmul \(key)")
        guard let descriptor = DNNLPrimitiveDescriptor(operation: &operation) else {
            preconditionFailure("oneDNN: no matmul for \(key)")
        }
        packedFormat = descriptor.memory(dnnl_query_weights_md)
        packedFormatID = formats.id(of: packedFormat)
        let arguments = [(DNNL_ARG_SRC, a), (DNNL_ARG_WEIGHTS, packedFormat), (DNNL_ARG_DST, c)]
        primitive = DNNLPrimitive(
            descriptor, arguments: key.hasBias ? arguments + [(DNNL_ARG_BIAS, bias)] : arguments)
    }
}

extension CPUBackend {
    public func matmul(_ a: Tensor, _ b: Tensor) -> Tensor {
        let (m, k, n) = (a.size(-2), a.size(-1), b.size(-1))
        let outShape = a.shape.dropLast(2) + [m, n]
        if a.count == 0 || b.count == 0 { return full(0, shape: Array(outShape), dtype: .float32) }
        let out = Tensor.empty(Array(outShape))
        let isShared = b.rank == 2
        // One matrix for all: the leading dimensions of `a` become rows.
        let left = (isShared ? a.reshaped([1, -1, k]) : a.reshaped([-1, m, k])).withUnitStride()
        let right = (isShared ? b.unsqueezed(0) : b.reshaped([-1, k, n])).withUnitStride()
        let key = MatmulKey(
            batch: left.size(0), m: left.size(1), n: n, k: k, aStrides: left.layout.strides,
            bStrides: right.layout.strides, hasBias: false, operandType: .float32)
        return kernel(into: out, from: left, right) {
            products.matmulPlan(key).primitive.execute(left.rawPointer, right.rawPointer, out.rawPointer)
        }
    }

    public func linear(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
        if let products = vectorProducts(x, [AffineMap(weight: weight, bias: bias)]) { return products[0] }
        if x.count > 0 && tilesFit(weight) { return tileLinear(x, weight: weight, bias: bias?.contiguous()) }
        let (k, n) = (weight.size(1), weight.size(0))
        let out = Tensor.empty(x.shape.dropLast() + [n])
        if out.count == 0 { return out }
        if k == 0 {
            let zeros = full(0, shape: out.shape, dtype: .float32)
            return bias.map { binary(.add, zeros, $0) } ?? zeros
        }
        let usesBFloat16 = weight.dtype == .bfloat16 && DNNL.hasBFloat16
        let operandType: DType = usesBFloat16 ? .bfloat16 : .float32
        // The blocking of a product depends on its number of rows, and rounding on the blocking. A frozen model answers
        // a batch row by row, so that the row's bits do not depend on its neighbours; a training takes all at once.
        let batch = weight.storage.isFrozen && x.rank > 1 ? x.size(0) : 1
        let bias = bias?.contiguous()
        if weight.dtype.isQuantized {
            return quantizedLinear(x.reshaped([x.rank > 1 ? x.size(0) : 1, -1, k]), weight, bias, into: out)
        }
        let rows = x.reshaped([batch, -1, k]).withUnitStride().converted(to: operandType)
        let (m, rowBytes) = (rows.size(1), rows.layout.strides[0] * operandType.byteCount)
        var key = MatmulKey(
            batch: 1, m: m, n: n, k: k, aStrides: rows.layout.strides, bStrides: nil, hasBias: bias != nil,
            operandType: operandType)
        key.aStrides[0] = 0
        return kernel(into: out, from: rows, weight, bias) {
            let matrix: Tensor
            // Weights that are stored in fp32 serve as they are: packed ones beside them would double their memory to save
            // some 2 % of the time. Others need a copy in another type, or are much faster packed (bfloat16).
            let servesAsStored = weight.dtype == .float32 && operandType == .float32
            if weight.storage.isFrozen && !servesAsStored {
                matrix = packedMatrix(weight, key, operandType)
            } else {
                let plain = weight.converted(to: operandType).transposed(0, 1).unsqueezed(0).withUnitStride()
                key.bStrides = plain.layout.strides
                matrix = plain
            }
            let primitive = products.matmulPlan(key).primitive
            for row in 0..<batch {
                let source = rows.rawPointer + row * rowBytes
                let destination = out.rawPointer + row * m * n * DType.float32.byteCount
                if let bias {
                    primitive.execute(source, matrix.rawPointer, destination, bias.rawPointer)
                } else {
                    primitive.execute(source, matrix.rawPointer, destination)
                }
            }
            withExtendedLifetime(matrix) {}
        }
    }

    /// Frozen weights in the format that oneDNN prefers; the weights as they are when that is the format.
    private func packedMatrix(_ weight: Tensor, _ key: MatmulKey, _ operandType: DType) -> Tensor {
        let plan = products.matmulPlan(key)
        let format = plan.packedFormat
        let source = weight.transposed(0, 1)
        let plain = DNNL.memory(source.shape, strides: source.layout.strides, operandType)
        if weight.dtype == operandType && DNNL.equal(plain, format) { return weight }
        // A gradient reads the weights the other way round.
        if let turned = products.repackedTransposed(weight, formatID: plan.packedFormatID) { return turned }
        let byteCount = DNNL.byteCount(format)
        return products.packed(weight, format: .primitive(plan.packedFormatID), byteCount: byteCount) { packed in
            let typed = weight.transient.converted(to: operandType)
            let view = typed.transposed(0, 1)
            DNNLPrimitive(
                reorder: DNNL.memory(view.shape, strides: view.layout.strides, operandType), to: format
            ).execute(typed.rawPointer, packed.rawPointer)
            withExtendedLifetime(typed) {}
        }
    }
}

extension Tensor {
    /// Strides that a matrix product can use: rows or columns without gaps between elements, no repeated elements.
    func withUnitStride() -> Tensor {
        let (row, column) = (layout.strides[rank - 2], layout.strides[rank - 1])
        let (rows, columns) = (shape[rank - 2], shape[rank - 1])
        let batch = layout.strides[0]
        let batchFits = rank < 3 || shape[0] == 1 || batch != 0
        if column == 1 && (row >= columns || rows == 1) && batchFits && row > 0 { return self }
        if row == 1 && (column >= rows || columns == 1) && batchFits && column > 0 { return self }
        return backend.copy(self, order: Array(0..<rank))
    }
}
