/// Why a matrix has no such factorization.
public enum LinearAlgebraError: Error, Equatable, CustomStringConvertible {
    /// The matrix holds an infinity or a NaN.
    case notFinite(operation: String)
    /// The matrix has no inverse: the pivot of this row, from 0, is zero.
    case singular(row: Int)
    /// The leading minor of this size is not positive definite.
    case notPositiveDefinite(minor: Int)
    /// The iteration did not come to an end.
    case notConverged(operation: String)

    public var description: String {
        switch self {
        case .notFinite(let operation): "\(operation): expected finite numbers, found an infinity or NaN"
        case .singular(let row): "solve: expected a matrix with an inverse, found a zero pivot in row \(row)"
        case .notPositiveDefinite(let minor):
            "cholesky: expected a positive definite matrix, found that its leading \(minor)x\(minor) part is not"
        case .notConverged(let operation): "\(operation): the iteration did not converge"
        }
    }
}
