internal import COpenBLAS

/// The eigenvalues of a symmetric matrix and their eigenvectors.
public struct SymmetricEigen: Sendable {
    /// `[n]`, rising.
    public let values: Tensor
    /// `[n, n]`: column `i` belongs to value `i`; the columns are orthonormal.
    public let vectors: Tensor
}

/// Takes a symmetric matrix apart.
///
///     a = vectors · diag(values) · vectorsᵀ
///
/// Not differentiated: gradients stop here.
///
/// - Parameter a: `[n, n]`; only its lower triangle is read.
/// - Throws: `LinearAlgebraError` when a number is not finite or the iteration does not converge.
/// LAPACK `dsyevd`.
public func symmetricEigen(_ a: Tensor) throws(LinearAlgebraError) -> SymmetricEigen {
    precondition(a.rank == 2 && a.size(0) == a.size(1), "symmetricEigen: shape \(a.shape)")
    if a.count == 0 { return SymmetricEigen(values: .zeros([0]), vectors: .zeros([0, 0])) }
    return try DenseMatrix.run { () throws(LinearAlgebraError) -> SymmetricEigen in
        var vectors = try DenseMatrix(a, for: "symmetricEigen")
        var values = [Double](repeating: 0, count: vectors.rows)
        var (n, info, query) = (Int32(vectors.rows), Int32(0), Int32(-1))
        var (workSize, integerWorkSize) = (0.0, Int32(0))
        dsyevd_("V", "L", &n, &vectors.elements, &n, &values, &workSize, &query, &integerWorkSize, &query, &info, 1, 1)
        var workCount = Int32(workSize)
        var work = [Double](repeating: 0, count: Int(workCount))
        var integerWork = [Int32](repeating: 0, count: Int(integerWorkSize))
        dsyevd_(
            "V", "L", &n, &vectors.elements, &n, &values, &work, &workCount, &integerWork, &integerWorkSize, &info, 1,
            1)
        guard info == 0 else { throw .notConverged(operation: "symmetricEigen") }
        return SymmetricEigen(values: Tensor(values.map(Float.init)), vectors: vectors.tensor)
    }
}
