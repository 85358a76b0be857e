internal import COpenBLAS

/// The solution of a system of linear equations, by LU factorization with row pivots.
///
///     a · x = b
///
/// Not differentiated: gradients stop here.
///
/// - Parameters:
///   - a: `[n, n]`.
///   - b: `[n, columns]`.
/// - Returns: `x`, `[n, columns]`, float32.
/// - Throws: `LinearAlgebraError` when `a` has no inverse or a number is not finite.
/// LAPACK `dgesv`.
public func solve(_ a: Tensor, _ b: Tensor) throws(LinearAlgebraError) -> Tensor {
    precondition(
        a.rank == 2 && b.rank == 2 && a.size(0) == a.size(1) && a.size(0) == b.size(0),
        "solve: shapes \(a.shape) and \(b.shape)")
    if b.count == 0 { return Tensor.zeros(b.shape) }
    return try DenseMatrix.run { () throws(LinearAlgebraError) -> Tensor in
        var (a, x) = (try DenseMatrix(a, for: "solve"), try DenseMatrix(b, for: "solve"))
        var (n, columns, info) = (Int32(a.rows), Int32(x.columns), Int32(0))
        var pivots = [Int32](repeating: 0, count: a.rows)
        dgesv_(&n, &columns, &a.elements, &n, &pivots, &x.elements, &n, &info)
        guard info == 0 else { throw .singular(row: Int(info) - 1) }
        return x.tensor
    }
}
