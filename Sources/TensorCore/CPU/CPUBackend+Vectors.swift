internal import CKernels

/// Products of single vectors with frozen weights, as a language model makes them for every token.
///
/// One vector a row reads every weight once, so the weights' bytes set the pace. Where the processor multiplies bytes,
/// quantised rows are packed for that, of about their own size, and the file's pages go back to the system.
extension CPUBackend {
    public func linears(_ x: Tensor, _ maps: [AffineMap]) -> [Tensor] {
        vectorProducts(x, maps) ?? maps.map { linear(x, weight: $0.weight, bias: $0.bias) }
    }

    /// The products of one vector for each row of a batch with frozen weights of one type that lie in rows; nil for
    /// others.
    ///
    /// - Parameter x: `[in]` or `[batch, ..., in]`.
    func vectorProducts(_ x: Tensor, _ maps: [AffineMap]) -> [Tensor]? {
        let (k, batch) = (x.size(-1), x.rank > 1 ? x.size(0) : 1)
        guard let dtype = maps.first?.weight.dtype, x.count == batch * k, x.count > 0 else { return nil }
        guard maps.allSatisfy({ $0.weight.dtype == dtype && $0.weight.isFrozenRows }) else { return nil }
        let x = x.contiguous().converted(to: .float32)
        let biases = maps.map { $0.bias?.contiguous() }
        let outputs = maps.map { Tensor.empty(x.shape.dropLast() + [$0.weight.size(0)]) }
        return ComputeThread.shared.run { () -> [Tensor]? in
            guard let rows = readableRows(maps) else { return nil }
            let parts = maps.indices.map { index in
                tk_matvec_part(
                    y: outputs[index].pointer(), w: rows[index].rawPointer,
                    bias: biases[index].map { UnsafePointer($0.pointer()) }, n: maps[index].weight.size(0))
            }
            let type = dtype.rowType
            withScratch(tk_matvec_scratch(type, batch, k)) { scratch in
                tk_matvec(parts, parts.count, type, x.pointer(), batch, k, scratch)
            }
            withExtendedLifetime((rows, biases, x)) {}
            return outputs
        }
    }

    /// The weights as the kernels of vectors read them; nil where the processor multiplies no bytes, or memory has no
    /// room for them.
    func readableRows(_ maps: [AffineMap]) -> [Tensor]? {
        var rows: [Tensor] = []
        rows.reserveCapacity(maps.count)
        for map in maps {
            guard let readable = map.weight.dtype.isQuantized ? packedRows(map.weight) : map.weight else { return nil }
            rows.append(readable)
        }
        return rows
    }

    /// Quantised rows in the form that products of bytes read.
    private func packedRows(_ weight: Tensor) -> Tensor? {
        guard tk_has_packed_rows() else { return nil }
        let (format, n, k) = (weight.dtype.blockFormat, weight.size(0), weight.size(1))
        precondition(k % weight.dtype.blockCount == 0, "linear: \(k) inputs in blocks of \(weight.dtype.blockCount)")
        let byteCount = tk_packed_rows_bytes(format, n, k)
        return products.packedIfRoom(weight, format: .byteProducts, byteCount: byteCount) { packed in
            tk_pack_rows(packed.rawPointer, weight.blocks, format, n, k)
        }
    }
}

extension Tensor {
    /// Whether this is a matrix of weights that the kernels of vectors can read as it lies, or packed.
    var isFrozenRows: Bool { storage.isFrozen && storage.isOnHost && layout.isContiguous && count > 0 }
}

extension DType {
    /// Whether the kernels of vectors read rows of this type.
    var hasRowKernel: Bool { isQuantized || [.float32, .float16, .bfloat16].contains(self) }

    /// Rows of this type, packed if they are quantised.
    var rowType: tk_row_type {
        switch self {
        case .float32: TK_ROWS_F32
        case .float16: TK_ROWS_F16
        case .bfloat16: TK_ROWS_BF16
        default: tk_row_type(rawValue: TK_ROWS_PACKED.rawValue + blockFormat.rawValue)
        }
    }
}
