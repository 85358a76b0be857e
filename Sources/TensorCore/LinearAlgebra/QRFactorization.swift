internal import COpenBLAS

/// A matrix as orthonormal columns times a triangle.
public struct QRFactorization: Sendable {
    /// `[rows, k]` with `k = min(rows, columns)`, orthonormal columns.
    public let q: Tensor
    /// `[k, columns]`, zero below the diagonal.
    public let r: Tensor
}

/// Takes a matrix apart, in the thin form.
///
///     a = q · r
///
/// Not differentiated: gradients stop here.
///
/// - Parameter a: `[rows, columns]`.
/// - Throws: `LinearAlgebraError` when a number is not finite.
/// LAPACK `dgeqrf`, `dorgqr`.
public func qrFactorization(_ a: Tensor) throws(LinearAlgebraError) -> QRFactorization {
    precondition(a.rank == 2, "qrFactorization: shape \(a.shape)")
    let k = min(a.size(0), a.size(1))
    if k == 0 { return QRFactorization(q: .zeros([a.size(0), 0]), r: .zeros([0, a.size(1)])) }
    return try DenseMatrix.run { () throws(LinearAlgebraError) -> QRFactorization in
        var matrix = try DenseMatrix(a, for: "qrFactorization")
        var (m, n, rank, info, query) = (Int32(matrix.rows), Int32(matrix.columns), Int32(k), Int32(0), Int32(-1))
        var reflectors = [Double](repeating: 0, count: k)
        var size = 0.0
        dgeqrf_(&m, &n, &matrix.elements, &m, &reflectors, &size, &query, &info)
        var count = Int32(max(size, 1))
        var work = [Double](repeating: 0, count: Int(count))
        dgeqrf_(&m, &n, &matrix.elements, &m, &reflectors, &work, &count, &info)
        precondition(info == 0, "dgeqrf: argument \(-info)")
        var r = DenseMatrix(rows: k, columns: matrix.columns)
        for column in 0..<matrix.columns {
            for row in 0...min(column, k - 1) {
                r.elements[column * k + row] = matrix.elements[column * matrix.rows + row]
            }
        }
        var q = DenseMatrix(rows: matrix.rows, columns: k)
        q.elements = Array(matrix.elements.prefix(matrix.rows * k))
        dorgqr_(&m, &rank, &rank, &q.elements, &m, &reflectors, &size, &query, &info)
        count = Int32(max(size, 1))
        work = [Double](repeating: 0, count: Int(count))
        dorgqr_(&m, &rank, &rank, &q.elements, &m, &reflectors, &work, &count, &info)
        precondition(info == 0, "dorgqr: argument \(-info)")
        return QRFactorization(q: q.tensor, r: r.tensor)
    }
}
