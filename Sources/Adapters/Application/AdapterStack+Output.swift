import Layers
import TensorCore

extension AdapterStack {
    /// A layer's output for rows in which the same members act.
    func output(_ layer: BaseLayer, _ x: Tensor, _ adapters: SiteAdapters, _ active: [ActiveMember]) -> Tensor {
        var whole: [ActiveMember] = []
        var regional: [ActiveMember] = []
        let places = places(of: layer, x, adapters)
        for member in active {
            if entries[adapters.members[member.number].entry].region == nil {
                whole.append(member)
            } else if places != nil {
                regional.append(member)
            }
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
        let masks = active.map { entries[adapters.members[$0.number].entry].region }
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
        guard let places, let region = entries[member.entry].region, !isPair || bias != nil else { return y }
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
    private func biasChange(_ adapters: SiteAdapters, _ active: [ActiveMember]) -> Tensor? {
        var sum: Tensor?
        for member in active {
            guard let change = layer(of: adapters.members[member.number]).biasDifference else { continue }
            let term = change.converted(to: .float32) * member.strength
            sum = sum.map { $0 + term } ?? term
        }
        return sum
    }

    // MARK: What is computed once

    private func pair(
        _ layer: BaseLayer, _ adapters: SiteAdapters, _ numbers: [Int], isTrained: Bool
    ) -> SitePair {
        guard !isTrained else { return makePair(layer, adapters, numbers) }
        let depends = numbers.contains { adapters.members[$0].layer.decomposition != nil }
        let key = SiteAdapters.PairKey(
            members: numbers, base: depends ? ObjectIdentifier(layer.weight.storage) : nil)
        return adapters.pair(key) {
            let pair = makePair(layer, adapters, numbers)
            return SitePair(
                down: pair.down.frozen(), up: pair.up.contiguous().frozen(), segments: pair.segments,
                excess: pair.excess)
        }
    }

    private func makePair(_ base: BaseLayer, _ adapters: SiteAdapters, _ numbers: [Int]) -> SitePair {
        var downs: [Tensor] = []
        var ups: [Tensor] = []
        var segments: [(rank: Int, scale: Double)] = []
        var excess: [Tensor?] = []
        for number in numbers {
            let layer = self.layer(of: adapters.members[number])
            guard let delta = layer.delta, let product = delta.product else {
                preconditionFailure("\(adapters.path): no low-rank member \(number)")
            }
            downs.append(product.down.converted(to: .float32))
            var up = product.up.converted(to: .float32)
            if let decomposition = layer.decomposition {
                let changed = base.weight.converted(to: .float32) + delta.dense(layer.module).detached
                let ratio = decomposition.ratio(changed: changed)
                up = up * ratio.unsqueezed(1)
                excess.append(ratio - 1)
            } else {
                excess.append(nil)
            }
            ups.append(up)
            segments.append((product.rank, delta.scale))
        }
        return SitePair(
            down: concatenated(downs, axis: 0), up: concatenated(ups, axis: 1), segments: segments, excess: excess)
    }

    /// A member's change of the weight as a whole.
    private func dense(_ base: BaseLayer, _ adapters: SiteAdapters, _ number: Int) -> Tensor? {
        let member = adapters.members[number]
        let layer = self.layer(of: member)
        guard layer.delta != nil else { return nil }
        func make() -> Tensor {
            guard let change = try? layer.dense(base: base.weight) else {
                preconditionFailure("\(adapters.path): the base weight is at hand")
            }
            return change
        }
        guard member.parameters == nil else { return make() }
        let key = SiteAdapters.DenseKey(member: number, base: ObjectIdentifier(base.weight.storage))
        return adapters.dense(key, make: make)
    }

    // MARK: In a copy of the weight

    private func fold(
        _ base: BaseLayer, _ adapters: SiteAdapters, _ active: [ActiveMember], isTrained: Bool
    ) -> FoldedWeight {
        guard !isTrained else { return makeFold(base, adapters, active, isTrained: true) }
        let key = SiteAdapters.FoldKey(
            members: active.map(\.number), weights: active.map(\.strength),
            base: ObjectIdentifier(base.weight.storage))
        return adapters.fold(key) {
            let folded = makeFold(base, adapters, active, isTrained: false)
            return FoldedWeight(weight: folded.weight.contiguous().frozen(), bias: folded.bias)
        }
    }

    private func makeFold(
        _ base: BaseLayer, _ adapters: SiteAdapters, _ active: [ActiveMember], isTrained: Bool
    ) -> FoldedWeight {
        var weight = base.weight.converted(to: .float32)
        let pairs = active.filter { adapters.members[$0.number].isLowRank }
        if !pairs.isEmpty {
            let pair = pair(base, adapters, pairs.map(\.number), isTrained: isTrained)
            let weights = zip(pairs, pair.segments).flatMap { member, segment in
                [Float](repeating: Float(member.strength * segment.scale), count: segment.rank)
            }
            let change = matmul(pair.up * Tensor(weights), pair.down.reshaped([pair.rank, -1]))
            var sum = weight + change.reshaped(weight.shape)
            for (member, excess) in zip(pairs, pair.excess) {
                guard let excess else { continue }
                let rows = excess.reshaped([-1] + [Int](repeating: 1, count: weight.rank - 1))
                sum = sum + weight * (rows * member.strength)
            }
            weight = sum
        }
        for member in active where !adapters.members[member.number].isLowRank {
            if let delta = dense(base, adapters, member.number) { weight = weight + delta * member.strength }
        }
        let change = biasChange(adapters, active)
        return FoldedWeight(
            weight: weight, bias: change.map { change in base.bias.map { $0 + change } ?? change } ?? base.bias)
    }

    /// Whether a copy of the weight is less work than products beside the layer, were it made anew for each pass.
    ///
    ///     beside: tokens * ranks * (fan-in + outputs)          folded: ranks * fan-in * outputs + preparing the copy
    ///
    /// Tokens are those of one row, so that a row's result does not depend on how many there are. 16-bit weights stay as
    /// they are: a copy would round the change away, or lose the fast kernels.
    private func foldsPairs(
        _ layer: BaseLayer, _ x: Tensor, _ adapters: SiteAdapters, _ active: [ActiveMember]
    ) -> Bool {
        guard application != .beside, !active.isEmpty, layer.weight.dtype == .float32, !layer.weight.isTracked else {
            return false
        }
        if application == .folded { return true }
        let outputs = layer.weight.size(0)
        let fanIn = layer.weight.count / outputs
        let rank = active.reduce(0) { $0 + adapters.members[$1.number].rank }
        let tokens: Int
        switch layer.operation {
        case .linear, .spreadLinear: tokens = x.count / (x.size(0) * x.size(-1))
        case .convolution(let geometry): tokens = x.size(2) * x.size(3) / (geometry.stride * geometry.stride)
        }
        let beside = Double(tokens * rank) * Double(fanIn + outputs)
        let folded = Double(fanIn * outputs) * (Double(rank) + Self.preparationWork)
        return folded < beside
    }

    /// What preparing a changed weight for its kernel costs, in multiply-adds a number.
    private static let preparationWork = 64.0
}
