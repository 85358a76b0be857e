internal import COpenBLAS

/// A column-major matrix of doubles: what LAPACK works on.
///
/// Factorizations run in double precision whatever the tensor's type, for what is derived from trained weights is often
/// badly conditioned. They run on the compute thread with OpenBLAS held to one thread, so that its own workers never
/// compete with the kernels'.
struct DenseMatrix {
    let rows: Int
    let columns: Int
    var elements: [Double]

    init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        elements = [Double](repeating: 0, count: rows * columns)
    }

    /// - Throws: `LinearAlgebraError.notFinite`: LAPACK's iterations may not end on a NaN.
    init(_ tensor: Tensor, for operation: String) throws(LinearAlgebraError) {
        precondition(tensor.rank == 2, "\(operation): a matrix is needed, not \(tensor.shape)")
        rows = tensor.size(0)
        columns = tensor.size(1)
        elements = tensor.detached.transposed(0, 1).contiguous().floats.map(Double.init)
        guard elements.allSatisfy(\.isFinite) else { throw .notFinite(operation: operation) }
    }

    /// `[rows, columns]`, float32.
    var tensor: Tensor {
        Tensor(elements.map(Float.init), shape: [columns, rows]).transposed(0, 1).contiguous()
    }

    /// Runs LAPACK.
    static func run<Result>(_ body: () throws(LinearAlgebraError) -> Result) throws(LinearAlgebraError) -> Result {
        try ComputeThread.shared.run { () throws(LinearAlgebraError) -> Result in
            openblas_set_num_threads(1)
            return try body()
        }
    }
}
