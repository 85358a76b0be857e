public import TensorCore

/// The best approximation of a matrix by one of a given rank.
///
///     a ~ up · down,   up [rows, rank], down [rank, columns]
public struct LowRankApproximation: Sendable {
    public let up: Tensor
    public let down: Tensor
    /// The share of the sum of squares that is kept, from 0 to 1.
    public let kept: Double
    /// The sum of squares of the matrix.
    public let square: Double

    /// Of a product of thin matrices, without forming it: QR of both, then the singular values of the small middle.
    ///
    ///     up = Q1 R1,  downᵀ = Q2 R2,  R1 R2ᵀ = U S Vᵀ,   up · down = (Q1 U) S (Q2 V)ᵀ
    ///
    /// - Parameters:
    ///   - up: `[rows, r]`.
    ///   - down: `[r, columns]`.
    public init(up: Tensor, down: Tensor, rank: Int) throws {
        let left = try qrFactorization(up)
        let right = try qrFactorization(down.transposed(0, 1))
        let middle = try singularValueDecomposition(matmul(left.r, right.r.transposed(0, 1)))
        self.init(
            u: matmul(left.q, middle.u), middle.values,
            vTransposed: matmul(middle.vTransposed, right.q.transposed(0, 1)), rank: rank, square: nil)
    }

    /// Of any matrix. Where the rank is far below the matrix's, the leading singular vectors are found by powers of the
    /// matrix on a random start (Halko, Martinsson, Tropp 2011, algorithm 4.4), the same one each time.
    ///
    /// - Parameter matrix: `[rows, columns]`.
    public init(_ matrix: Tensor, rank: Int) throws {
        let width = rank + 16
        let square = Double(sum(TensorCore.square(matrix)).item)
        guard width * 4 < min(matrix.size(0), matrix.size(1)) else {
            let all = try singularValueDecomposition(matrix)
            self.init(u: all.u, all.values, vTransposed: all.vTransposed, rank: rank, square: square)
            return
        }
        var random = TorchGenerator(seed: 0)
        var basis = try qrFactorization(matmul(matrix, random.normal([matrix.size(1), width]))).q
        for _ in 0..<6 {
            let back = try qrFactorization(matmul(matrix.transposed(0, 1), basis)).q
            basis = try qrFactorization(matmul(matrix, back)).q
        }
        let small = try singularValueDecomposition(matmul(basis.transposed(0, 1), matrix))
        self.init(
            u: matmul(basis, small.u), small.values, vTransposed: small.vTransposed, rank: rank, square: square)
    }

    /// The leading singular values, their roots on either side.
    private init(u: Tensor, _ values: Tensor, vTransposed: Tensor, rank: Int, square: Double?) {
        let values = values.floats
        let count = min(rank, values.count)
        let roots = Tensor(values.prefix(count).map { max($0, 0).squareRoot() })
        up = u.narrowed(1, start: 0, count: count) * roots
        down = vTransposed.narrowed(0, start: 0, count: count) * roots.unsqueezed(1)
        func squares(_ values: some Sequence<Float>) -> Double { values.reduce(0.0) { $0 + Double($1) * Double($1) } }
        let total = square ?? squares(values)
        self.square = total
        kept = total > 0 ? min(squares(values.prefix(count)) / total, 1) : 1
    }
}
