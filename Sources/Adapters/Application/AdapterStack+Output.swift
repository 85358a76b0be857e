import Layers
import TensorCore

extension AdapterStack {
    /// A layer's output for rows in which the same members act.
    ///
    /// - Parameter places: of the output; without any, every member is whole.
    func output(
        _ layer: BaseLayer, _ x: Tensor, _ adapters: SiteAdapters, _ active: [ActiveMember], _ places: Places?
    ) -> Tensor {
        var whole = active
        var regional: [ActiveMember] = []
        if places != nil {
            whole = active.filter { region(of: $0, adapters) == nil }
            regional = active.filter { region(of: $0, adapters) != nil }
        }
        guard !whole.isEmpty || !regional.isEmpty else { return layer(x) }
        let isTrained = (whole + regional).contains { adapters.members[$0.number].parameters != nil }

        func isLowRank(_ member: ActiveMember) -> Bool { adapters.members[member.number].isLowRank }
        var beside = whole.filter(isLowRank)
        var folded = whole.filter { !isLowRank($0) }
        if regional.isEmpty, !isTrained, !folded.isEmpty || foldsPairs(layer, x, adapters, beside) {
            (beside, folded) = ([], whole)
        }
        var base = layer
        if !folded.isEmpty {
            let changed = fold(layer, adapters, folded, isTrained: isTrained)
            base = BaseLayer(weight: changed.weight, bias: changed.bias, layer.operation)
        } else if let bias = biasChange(adapters, beside) {
            base = BaseLayer(weight: layer.weight, bias: layer.bias.map { $0 + bias } ?? bias, layer.operation)
        }
        var y = base(x)
        let pairs = beside + regional.filter(isLowRank)
        if !pairs.isEmpty { y = adding(pairs, to: y, layer, x, adapters, places, isTrained: isTrained) }
        for member in regional {
            y = addingDense(member, to: y, layer, x, adapters, places, isPair: isLowRank(member))
        }
        return y
    }

    // MARK: Beside the layer

    /// `y + U diag(w) D x`, and for DoRA `+ sum of m (norms / |V| - 1) W x`.
    private func adding(
        _ active: [ActiveMember], to y: Tensor, _ layer: BaseLayer, _ x: Tensor, _ adapters: SiteAdapters,
        _ places: Places?, isTrained: Bool
    ) -> Tensor {
        let pair = pair(layer, adapters, active.map(\.number), isTrained: isTrained)
        let masks = places == nil ? active.map { _ in nil } : active.map { region(of: $0, adapters) }
        let isMasked = masks.contains { $0 != nil }
        let strengths = active.map(\.strength)
        var inner: Tensor
        switch layer.operation {
        case .linear, .spreadLinear: inner = linear(x, pair.down)
        case .convolution(let geometry): inner = convolution(x, pair.down, nil, geometry)
        }
        let scaled = zip(strengths, pair.segments).map { $0 * $1.scale }
        if isMasked, let places {
            inner = places.onMap(inner) * places.weights(masks, scaled, counts: pair.segments.map(\.rank))
        } else {
            let weights = zip(scaled, pair.segments).flatMap { weight, segment in
                [Float](repeating: Float(weight), count: segment.rank)
            }
            let isUniform = weights.allSatisfy { $0 == weights[0] }
            let shape = inner.rank == 4 ? [1, -1, 1, 1] : [-1]
            inner =
                isUniform
                ? (weights[0] == 1 ? inner : inner * Double(weights[0])) : inner * Tensor(weights).reshaped(shape)
        }
        let isMap = inner.rank == 4
        let change =
            isMap ? convolution(inner, pair.up.reshaped(pair.up.shape + [1, 1])) : linear(inner, pair.up)
        var result = isMap && y.rank == 2 ? y.unsqueezed(-1).unsqueezed(-1) + change : y + change
        if pair.hasDecomposition {
            result = result + self.excess(pair, strengths, masks, layer(x), layer.bias, places, isMasked: isMasked)
        }
        return result
    }

    /// `sum of strength * (norms / |V| - 1) * W x` over DoRA's members.
    private func excess(
        _ pair: SitePair, _ strengths: [Double], _ masks: [RegionMask?], _ output: Tensor, _ bias: Tensor?,
        _ places: Places?, isMasked: Bool
    ) -> Tensor {
        let decomposed = pair.excess.indices.filter { pair.excess[$0] != nil }
        let rows = stacked(decomposed.compactMap { pair.excess[$0] })
        var product = output
        if let bias { product = product - (product.rank == 4 ? bias.reshaped([1, -1, 1, 1]) : bias) }
        guard isMasked, let places else {
            let weights = Tensor(decomposed.map { Float(strengths[$0]) }, shape: [1, decomposed.count])
            let total = matmul(weights, rows)
            return product * (product.rank == 4 ? total.reshaped([1, -1, 1, 1]) : total.reshaped([-1]))
        }
        let weights = places.weights(
            decomposed.map { masks[$0] }, decomposed.map { strengths[$0] }, counts: decomposed.map { _ in 1 })
        let total =
            weights.rank == 4
            ? convolution(weights, rows.transposed(0, 1).reshaped([rows.size(1), rows.size(0), 1, 1]))
            : matmul(weights, rows)
        return places.onMap(product) * total
    }

    /// Adds what has no low-rank form, or a change of the bias, inside a region.
    private func addingDense(
        _ active: ActiveMember, to y: Tensor, _ layer: BaseLayer, _ x: Tensor, _ adapters: SiteAdapters,
        _ places: Places?, isPair: Bool
    ) -> Tensor {
        let member = adapters.members[active.number]
        let bias = self.layer(of: member).biasDifference
        guard let places, let region = region(of: active, adapters), !isPair || bias != nil else { return y }
        var change: Tensor?
        if !isPair, let delta = dense(layer, adapters, active.number) {
            change = BaseLayer(weight: delta, bias: bias, layer.operation)(x)
        } else if let bias {
            change = y.rank == 4 ? bias.reshaped([1, -1, 1, 1]) : bias
        }
        guard let change else { return y }
        let mask = places.weights([region], [active.strength], counts: [1])
        let (y, spread) = (places.onMap(y), change.rank == 1 ? change : places.onMap(change))
        return y + spread * mask
    }

    /// The sum of the changes of the bias, or nil where there are none.
    func biasChange(_ adapters: SiteAdapters, _ active: [ActiveMember]) -> Tensor? {
        var sum: Tensor?
        for member in active {
            guard let change = layer(of: adapters.members[member.number]).biasDifference else { continue }
            let term = change.converted(to: .float32) * member.strength
            sum = sum.map { $0 + term } ?? term
        }
        return sum
    }
}
