import Measurement
import TensorCore
import Testing

@Suite struct FrechetTests {
    /// Normal features with given deviations and means.
    private func features(_ deviations: [Double], shift: Double = 0, count: Int = 4000, seed: UInt64) -> [[Float]] {
        var random = TorchGenerator(seed: seed)
        let values = random.normal([count, deviations.count]).floats
        return (0..<count).map { row in
            deviations.indices.map { column in
                Float(Double(values[row * deviations.count + column]) * deviations[column] + shift)
            }
        }
    }

    @Test func `a set has no distance to itself`() throws {
        let statistics = try FeatureStatistics(features([1, 2, 0.5], seed: 1))
        #expect(abs(try statistics.frechetDistance(to: statistics)) < 1e-4)
    }

    @Test func `independent normals have the distance of their means and deviations`() throws {
        // |m1 - m2|² + sum (s1 - s2)² for diagonal covariances.
        let a = try FeatureStatistics(features([1, 2, 0.5], seed: 1))
        let b = try FeatureStatistics(features([2, 2, 1.5], shift: 1, seed: 2))
        let distance = try a.frechetDistance(to: b)
        #expect(abs(distance - (3 + 1 + 0 + 1)) < 0.35)
        #expect(abs(distance - (try b.frechetDistance(to: a))) < 1e-3)
    }

    @Test func `one picture has no covariance`() {
        #expect(throws: MeasurementError.self) { try FeatureStatistics([[1, 2]]) }
    }
}
