internal import COpenBLAS

/// A matrix as rotations and stretches.
public struct SingularValueDecomposition: Sendable {
    /// `[rows, k]` with `k = min(rows, columns)`, orthonormal columns.
    public let u: Tensor
    /// `[k]`, falling, none negative.
    public let values: Tensor
    /// `[k, columns]`, orthonormal rows.
    public let vTransposed: Tensor
}

/// Takes a matrix apart, in the thin form.
///
///     a = u · diag(values) · vᵀ
///
/// Not differentiated: gradients stop here.
///
/// - Parameter a: `[rows, columns]`.
/// - Throws: `LinearAlgebraError` when a number is not finite or the iteration does not converge.
/// LAPACK `dgesdd`.
public func singularValueDecomposition(_ a: Tensor) throws(LinearAlgebraError) -> SingularValueDecomposition {
    precondition(a.rank == 2, "singularValueDecomposition: shape \(a.shape)")
    let k = min(a.size(0), a.size(1))
    if k == 0 {
        return SingularValueDecomposition(
            u: .zeros([a.size(0), 0]), values: .zeros([0]), vTransposed: .zeros([0, a.size(1)]))
    }
    return try DenseMatrix.run { () throws(LinearAlgebraError) -> SingularValueDecomposition in
        var matrix = try DenseMatrix(a, for: "singularValueDecomposition")
        var u = DenseMatrix(rows: matrix.rows, columns: k)
        var vTransposed = DenseMatrix(rows: k, columns: matrix.columns)
        var values = [Double](repeating: 0, count: k)
        var (m, n, rank, info, query) = (Int32(matrix.rows), Int32(matrix.columns), Int32(k), Int32(0), Int32(-1))
        var integerWork = [Int32](repeating: 0, count: 8 * k)
        var workSize = 0.0
        dgesdd_(
            "S", &m, &n, &matrix.elements, &m, &values, &u.elements, &m, &vTransposed.elements, &rank, &workSize,
            &query, &integerWork, &info, 1)
        var workCount = Int32(workSize)
        var work = [Double](repeating: 0, count: Int(workCount))
        dgesdd_(
            "S", &m, &n, &matrix.elements, &m, &values, &u.elements, &m, &vTransposed.elements, &rank, &work,
            &workCount, &integerWork, &info, 1)
        guard info == 0 else { throw .notConverged(operation: "singularValueDecomposition") }
        return SingularValueDecomposition(
            u: u.tensor, values: Tensor(values.map(Float.init)), vTransposed: vTransposed.tensor)
    }
}
