import Layers
import TensorCore

/// What a layer's members come to before any input is seen.
extension AdapterStack {
    // MARK: What is computed once

    func pair(
        _ layer: BaseLayer, _ adapters: SiteAdapters, _ numbers: [Int], isTrained: Bool
    ) -> SitePair {
        guard !isTrained else { return makePair(layer, adapters, numbers) }
        let depends = numbers.contains { adapters.members[$0].layer.decomposition != nil }
        let key = SiteAdapters.PairKey(
            members: numbers, base: depends ? SiteAdapters.Base(layer) : nil)
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
    func dense(_ base: BaseLayer, _ adapters: SiteAdapters, _ number: Int) -> Tensor? {
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
        let key = SiteAdapters.DenseKey(member: number, base: SiteAdapters.Base(base))
        return adapters.dense(key, make: make)
    }

    // MARK: In a copy of the weight

    func fold(
        _ base: BaseLayer, _ adapters: SiteAdapters, _ active: [ActiveMember], isTrained: Bool
    ) -> FoldedWeight {
        guard !isTrained else { return makeFold(base, adapters, active, isTrained: true) }
        let key = SiteAdapters.FoldKey(
            members: active.map(\.number), weights: active.map(\.strength),
            base: SiteAdapters.Base(base))
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
    func foldsPairs(
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
