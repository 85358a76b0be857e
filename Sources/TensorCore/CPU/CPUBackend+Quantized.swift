internal import CKernels

/// Products with quantised weights: a tile of rows is widened into memory that stays in the cache, and multiplied by
/// all vectors. Single vectors are quicker in `CPUBackend+Vectors`.
extension CPUBackend {
    /// Numbers of a tile of widened weights: 2 MiB.
    private static let tileCount = 1 << 19

    /// - Parameter x: `[batch, m, in]`. Each row of the batch is a product of its own.
    func quantizedLinear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?, into out: Tensor) -> Tensor {
        let (batch, m, k, n) = (x.size(0), x.size(1), x.size(2), weight.size(0))
        let x = x.contiguous()
        precondition(k % weight.dtype.blockCount == 0, "linear: \(k) inputs in blocks of \(weight.dtype.blockCount)")
        guard m > 1 else {
            return kernel(into: out, from: x, weight, bias) {
                withScratch(tk_matvec_quantized_scratch(batch, k)) { scratch in
                    tk_matvec_quantized(
                        out.pointer(), x.pointer(), weight.blocks, bias?.pointer(), weight.dtype.blockFormat, batch, n,
                        k, scratch)
                }
            }
        }
        let tile = min(n, max(Self.tileCount / k / 16 * 16, 16))
        return kernel(into: out, from: x, weight, bias) {
            withScratch(tile * k) { scratch in
                for start in stride(from: 0, to: n, by: tile) {
                    let rows = min(tile, n - start)
                    tk_widen_blocks_f32(
                        scratch, weight.blocks + weight.dtype.byteCount(of: start * k), weight.dtype.blockFormat,
                        rows * k / weight.dtype.blockCount)
                    let key = MatmulKey(
                        batch: 1, m: m, n: rows, k: k, aStrides: [0, k, 1], bStrides: [0, 1, k], hasBias: bias != nil,
                        operandType: .float32, outputStride: n)
                    let primitive = products.matmulPlan(key).primitive
                    for row in 0..<batch {
                        let source: UnsafeMutablePointer<Float> = x.pointer() + row * m * k
                        let destination: UnsafeMutablePointer<Float> = out.pointer() + row * m * n + start
                        if let bias {
                            let part: UnsafeMutablePointer<Float> = bias.pointer() + start
                            primitive.execute(source, scratch, destination, part)
                        } else {
                            primitive.execute(source, scratch, destination)
                        }
                    }
                }
            }
        }
    }

    /// Quantised numbers as float32.
    func widened(_ x: Tensor) -> Tensor {
        if x.rank == 2, !x.layout.isContiguous, x.transposed(0, 1).layout.isContiguous {
            return widened(x.transposed(0, 1)).transposed(0, 1)
        }
        precondition(x.layout.isContiguous, "convert: \(x.dtype) in layout \(x.layout)")
        let out = Tensor.empty(x.shape)
        return kernel(into: out, from: x) {
            tk_widen_blocks_f32(out.pointer(), x.blocks, x.dtype.blockFormat, x.count / x.dtype.blockCount)
        }
    }

    /// Rows of a quantised table as float32.
    func widenedRows(_ table: Tensor, _ indices: Tensor) -> Tensor {
        precondition(
            table.rank == 2 && table.layout.isContiguous, "embedding: \(table.dtype) in layout \(table.layout)")
        let out = Tensor.empty([indices.count, table.size(1)])
        return kernel(into: out, from: table, indices) {
            tk_gather_rows_quantized(
                out.pointer(), table.blocks, indices.pointer(), table.dtype.blockFormat, indices.count, table.size(1))
        }
    }
}

extension Tensor {
    /// The first block of quantised numbers.
    var blocks: UnsafeMutableRawPointer { storage.pointer + dtype.byteCount(of: layout.offset) }
}

extension DType {
    var blockFormat: tk_block_format {
        switch self {
        case .q4_0: TK_Q4_0
        case .q4_1: TK_Q4_1
        case .q5_0: TK_Q5_0
        case .q5_1: TK_Q5_1
        case .q8_0: TK_Q8_0
        case .q4_K: TK_Q4_K
        case .q5_K: TK_Q5_K
        case .q6_K: TK_Q6_K
        default: preconditionFailure("\(self) is not quantised")
        }
    }
}
