public import Imaging
import TensorCore

extension Probe {
    /// How different pairs of pictures look: the mean squared distance of a probe's maps, each place's channels divided
    /// by their norm, averaged over places and then over sizes (as LPIPS without learnt weights, arXiv 1801.03924).
    ///
    ///     d(a, b) = mean over maps and places of |â - b̂|²,    â = a / |a|
    ///
    /// - Returns: one distance a pair, from 0 (the same) to 4 (opposite everywhere).
    public func perceptualDistances(_ a: [Image], _ b: [Image]) -> [Double] {
        precondition(a.count == b.count, "\(a.count) pictures beside \(b.count)")
        return zip(a, b).map { first, second in
            let maps = network(Tensor(images: [first, second])).maps
            let distances = maps.map { map -> Double in
                let unit = map * rsqrt(sum(square(map), axes: [1], keepDimensions: true) + 1e-8)
                let gap = unit.narrowed(0, start: 0, count: 1) - unit.narrowed(0, start: 1, count: 1)
                return Double(mean(sum(square(gap), axes: [1])).item)
            }
            return distances.reduce(0, +) / Double(distances.count)
        }
    }
}
