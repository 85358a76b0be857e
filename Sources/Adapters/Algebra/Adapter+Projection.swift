import TensorCore

/// What "orthogonal" is said of.
public enum ProjectionScope: String, Sendable, CaseIterable {
    /// Every layer by itself.
    case layer
    /// All layers as one vector: the adapter changes less, and single layers may overlap still.
    case whole
}

extension LayerAdapter {
    /// The sum over all elements of the product of two changes, without forming either where both are low-rank:
    ///
    ///     <U1 D1, U2 D2> = sum of (U1ᵀ U2) * (D1 D2ᵀ)
    func innerProduct(_ other: LayerAdapter) throws -> Double {
        if let a = delta, let b = other.delta, decomposition == nil, other.decomposition == nil,
            let x = a.product, let y = b.product
        {
            let ups = matmul(x.up.converted(to: .float32).transposed(0, 1), y.up.converted(to: .float32))
            let downs = matmul(
                x.down.converted(to: .float32).reshaped([x.rank, -1]),
                y.down.converted(to: .float32).reshaped([y.rank, -1]).transposed(0, 1))
            return Double(TensorCore.sum(ups * downs).item) * a.scale * b.scale
        }
        guard let x = try dense(), let y = try other.dense() else { return 0 }
        return Double(TensorCore.sum(x * y).item)
    }
}

extension Adapter {
    /// `<a, b>` over all layers that both change.
    public func innerProduct(_ other: Adapter) throws -> Double {
        var sum = 0.0
        for (path, layer) in layers {
            if let partner = other.layers[path] { sum += try layer.innerProduct(partner) }
        }
        return sum
    }

    /// The Euclidean norm of all changes together.
    public func norm() throws -> Double { try max(innerProduct(self), 0).squareRoot() }

    /// The cosine of the angle between two adapters; 0 where one changes nothing.
    public func cosine(_ other: Adapter) throws -> Double {
        let norms = try norm() * other.norm()
        return norms > 0 ? try innerProduct(other) / norms : 0
    }

    /// The adapter without what it has in common with another.
    ///
    ///     a - (<a, b> / <b, b>) b
    public func projectedOut(_ other: Adapter, scope: ProjectionScope = .layer) throws -> Adapter {
        try without(other, scope).made(
            by: Provenance(
                "project-out", parameters: ["scope": scope.rawValue],
                inputs: [Provenance.Input(self, weight: nil), Provenance.Input(other, weight: nil)]))
    }

    private func without(_ other: Adapter, _ scope: ProjectionScope) throws -> Adapter {
        let shared = scope == .whole ? try share(innerProduct(other), of: other.innerProduct(other)) : 0
        var copy = self
        if scope == .whole {
            guard shared != 0 else { return self }
            copy = try Adapter.combination([(self, 1), (other, -shared)])
            copy.metadata = metadata
            return copy
        }
        for (path, layer) in layers {
            guard let partner = other.layers[path] else { continue }
            let shared = try share(layer.innerProduct(partner), of: partner.innerProduct(partner))
            guard shared != 0 else { continue }
            var remainder = try LayerAdapter.sum([layer.scaled(1), partner.scaled(-shared)])
            // The bias is no part of the product, and stays.
            remainder = LayerAdapter(remainder.module, remainder.delta, biasDifference: layer.biasDifference)
            copy.layers[path] = remainder
        }
        return copy
    }

    private func share(_ product: Double, of square: Double) throws -> Double { square > 0 ? product / square : 0 }

    /// The adapters of a set, each without what it has in common with those before it (Gram and Schmidt): the first
    /// stays as it is.
    public static func orthogonalized(_ adapters: [Adapter], scope: ProjectionScope = .layer) throws -> [Adapter] {
        var done: [Adapter] = []
        for (number, adapter) in adapters.enumerated() {
            var remainder = adapter
            // Against the remainders, which are orthogonal to each other; in turn, for rounding's sake.
            for earlier in done { remainder = try remainder.without(earlier, scope) }
            done.append(
                remainder.made(
                    by: Provenance(
                        "orthogonalize", parameters: ["scope": scope.rawValue, "place": "\(number)"],
                        inputs: [Provenance.Input(adapter, weight: nil)]
                            + adapters[..<number].map { Provenance.Input($0, weight: nil) })))
        }
        return done
    }
}
