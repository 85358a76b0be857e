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

    /// How different the textures of pairs of pictures are, wherever on the pictures they lie: the distance of the Gram
    /// matrices of a probe's maps, by their size (Gatys et al., arXiv 1508.06576).
    ///
    ///     d(a, b) = mean over maps of 2 |Gₐ - G_b| / (|Gₐ| + |G_b|),    G = F Fᵀ / places
    ///
    /// - Returns: one distance a pair, from 0 (the same) to 2.
    public func textureDistances(_ a: [Image], _ b: [Image]) -> [Double] {
        precondition(a.count == b.count, "\(a.count) pictures beside \(b.count)")
        return zip(a, b).map { first, second in
            let maps = network(Tensor(images: [first, second])).maps
            let distances = maps.map { map -> Double in
                let rows = map.flattened(2...3)
                let gram = matmul(rows, rows.transposed(1, 2)) * (1 / Double(rows.size(2)))
                let (one, other) = (gram.selected(0, 0), gram.selected(0, 1))
                let sizes = Double(l2Norm(one) + l2Norm(other))
                return 2 * Double(l2Norm(one - other)) / max(sizes, 1e-12)
            }
            return distances.reduce(0, +) / Double(distances.count)
        }
    }
}

private func l2Norm(_ x: Tensor) -> Float { sqrt(sum(square(x))).item }
