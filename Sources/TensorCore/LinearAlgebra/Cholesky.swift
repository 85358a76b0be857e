internal import COpenBLAS

/// The lower triangular factor of a symmetric positive definite matrix.
///
///     a = l · lᵀ
///
/// Not differentiated: gradients stop here.
///
/// - Parameter a: `[n, n]`; only its lower triangle is read.
/// - Returns: `l`, `[n, n]`, float32, zero above the diagonal.
/// - Throws: `LinearAlgebraError` when `a` is not positive definite or a number is not finite.
/// LAPACK `dpotrf`.
public func cholesky(_ a: Tensor) throws(LinearAlgebraError) -> Tensor {
    precondition(a.rank == 2 && a.size(0) == a.size(1), "cholesky: shape \(a.shape)")
    if a.count == 0 { return Tensor.zeros(a.shape) }
    return try DenseMatrix.run { () throws(LinearAlgebraError) -> Tensor in
        var factor = try DenseMatrix(a, for: "cholesky")
        var (n, info) = (Int32(factor.rows), Int32(0))
        dpotrf_("L", &n, &factor.elements, &n, &info, 1)
        guard info == 0 else { throw .notPositiveDefinite(minor: Int(info)) }
        for column in 1..<max(factor.rows, 1) {
            for row in 0..<column { factor.elements[column * factor.rows + row] = 0 }
        }
        return factor.tensor
    }
}
