import TensorCore

/// The mean and covariance of feature vectors, to compare sets of pictures by.
public struct FeatureStatistics: Sendable {
    /// `[features]`.
    let mean: Tensor
    /// `[features, features]`.
    let covariance: Tensor

    /// - Parameter features: one vector a picture, at least two.
    public init(_ features: [[Float]]) throws {
        guard features.count > 1, let width = features.first?.count, width > 0 else {
            throw MeasurementError("features", expected: "vectors of at least two pictures", found: "\(features.count)")
        }
        let rows = Tensor(features.flatMap { $0 }, shape: [features.count, width])
        mean = TensorCore.mean(rows, axes: [0])
        let centred = rows - mean
        covariance = matmul(centred.transposed(0, 1), centred) * (1 / Double(features.count - 1))
    }

    /// The Fréchet distance of two normal distributions (Heusel et al., arXiv 1706.08500):
    ///
    ///     |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁^½ C₂ C₁^½)^½)
    public func frechetDistance(to other: FeatureStatistics) throws -> Double {
        let root = try symmetricEigen(covariance)
        let scales = sqrt(clamp(root.values, 0...Double.greatestFiniteMagnitude))
        let half = matmul(root.vectors * scales.unsqueezed(0), root.vectors.transposed(0, 1))
        let product = matmul(matmul(half, other.covariance), half)
        let symmetric = (product + product.transposed(0, 1)) * 0.5
        let shared = try symmetricEigen(symmetric).values.floats.reduce(0.0) { $0 + max(Double($1), 0).squareRoot() }
        let gap = Double(sum(square(mean - other.mean)).item)
        return gap + trace(covariance) + trace(other.covariance) - 2 * shared
    }

    private func trace(_ matrix: Tensor) -> Double {
        let (size, values) = (matrix.size(0), matrix.contiguous().floats)
        return (0..<size).reduce(0) { $0 + Double(values[$1 * size + $1]) }
    }
}
