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
        let areRows = maps.allSatisfy { map in
            map.weight.dtype == dtype && map.weight.storage.isFrozen && map.weight.layout.isContiguous
                && map.weight.count > 0 && map.weight.storage.isOnHost
        }
        guard areRows else { return nil }
        let x = x.contiguous().converted(to: .float32)
        let biases = maps.map { $0.bias?.contiguous() }
        let outputs = maps.map { Tensor.empty(x.shape.dropLast() + [$0.weight.size(0)]) }
        return ComputeThread.shared.run { () -> [Tensor]? in
            guard let rows = readable(maps) else { return nil }
            let parts = maps.indices.map { index in
                tk_matvec_part(
                    y: outputs[index].pointer(), w: rows[index].rawPointer,
                    bias: biases[index].map { UnsafePointer($0.pointer()) }, n: maps[index].weight.size(0))
            }
            switch dtype {
            case .float32: tk_matvec_f32(parts, parts.count, x.pointer(), batch, k)
            case .float16: tk_matvec_f16(parts, parts.count, x.pointer(), batch, k)
            case .bfloat16: tk_matvec_bf16(parts, parts.count, x.pointer(), batch, k)
            default:
                withScratch(tk_matvec_packed_scratch(batch, k)) { scratch in
                    tk_matvec_packed(parts, parts.count, x.pointer(), dtype.blockFormat, batch, k, scratch)
                }
            }
            withExtendedLifetime((rows, biases, x)) {}
            return outputs
        }
    }

    /// The weights as the kernels of vectors read them; nil where the processor multiplies no bytes, or memory has no
    /// room for them.
    private func readable(_ maps: [AffineMap]) -> [Tensor]? {
        var rows: [Tensor] = []
        for map in maps {
            if !map.weight.dtype.isQuantized {
                rows.append(map.weight)
            } else if let packed = packedRows(map.weight) {
                rows.append(packed)
            } else {
                return nil
            }
        }
        return rows
    }

    /// Quantised rows in the form that products of bytes read.
    private func packedRows(_ weight: Tensor) -> Tensor? {
        guard tk_has_packed_rows() else { return nil }
        let (format, n, k) = (weight.dtype.blockFormat, weight.size(0), weight.size(1))
        precondition(k % weight.dtype.blockCount == 0, "linear: \(k) inputs in blocks of \(weight.dtype.blockCount)")
        let byteCount = tk_packed_rows_bytes(format, n, k)
        return products.packedIfRoom(weight, format: .byteProducts, byteCount: byteCount) {
            let packed = Tensor.empty([byteCount], dtype: .uint8)
            tk_pack_rows(packed.rawPointer, weight.blocks, format, n, k)
            return packed
        }
    }
}
