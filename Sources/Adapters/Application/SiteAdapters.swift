internal import Layers
internal import Synchronization
internal import TensorCore

/// One adapter's part in one layer.
struct SiteMember: Sendable {
    /// The entry's number in the stack.
    let entry: Int
    let layer: LayerAdapter
    let gain: Double
    /// Where the layer's tensors stand among the stack's trainable ones.
    let parameters: Range<Int>?

    var isLowRank: Bool {
        layer.delta is LowRankDelta && (layer.decomposition == nil || layer.decomposition?.axis == .rows)
    }

    /// The rank that the member takes beside the layer; 0 where it has no low-rank form.
    var rank: Int { (layer.delta as? LowRankDelta)?.up.size(1) ?? 0 }
}

/// The adapters of one layer, and what was computed of them for good.
final class SiteAdapters: Sendable {
    let path: String
    let members: [SiteMember]
    /// Whether the layer reads the text, so that its output has no place in the picture.
    let readsText: Bool
    private let cache: Mutex<Cache>

    init(path: String, members: [SiteMember]) {
        self.path = path
        self.members = members
        // A few branches of guidance may take turns; of a large stack, fewer sets fit into memory.
        let sets = members.reduce(0) { $0 + $1.rank } > 64 ? 2 : 6
        cache = Mutex(
            Cache(dense: Recent(limit: 2 * members.count), pairs: Recent(limit: sets), folds: Recent(limit: sets)))
        readsText = path.hasSuffix(".attn2.to_k") || path.hasSuffix(".attn2.to_v") || !path.hasPrefix("unet.")
    }

    /// A base weight by its memory, which is kept as long as what was computed from it, so that no other weight can take
    /// its place.
    struct Base: Hashable {
        let storage: Storage

        init(_ layer: BaseLayer) { storage = layer.weight.storage }

        static func == (a: Base, b: Base) -> Bool { a.storage === b.storage }
        func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(storage)) }
    }

    /// Of a member and a base weight: DoRA depends on the weight.
    struct DenseKey: Hashable {
        var member: Int
        var base: Base
    }

    struct PairKey: Hashable {
        var members: [Int]
        /// Nil where no member depends on it.
        var base: Base?
    }

    struct FoldKey: Hashable {
        var members: [Int]
        var weights: [Double]
        var base: Base
    }

    private struct Cache: Sendable {
        var dense: Recent<DenseKey, Tensor>
        var pairs: Recent<PairKey, SitePair>
        var folds: Recent<FoldKey, FoldedWeight>
    }

    // Computing hops to the compute thread, which may be waiting for this lock: so it never happens under the lock. Two
    // passes that miss at once compute the same numbers twice.

    func dense(_ key: DenseKey, make: () -> Tensor) -> Tensor {
        if let found = cache.withLock({ $0.dense[key] }) { return found }
        let made = make().frozen()
        cache.withLock { $0.dense[key] = made }
        return made
    }

    func pair(_ key: PairKey, make: () -> SitePair) -> SitePair {
        if let found = cache.withLock({ $0.pairs[key] }) { return found }
        let made = make()
        cache.withLock { $0.pairs[key] = made }
        return made
    }

    func fold(_ key: FoldKey, make: () -> FoldedWeight) -> FoldedWeight {
        if let found = cache.withLock({ $0.folds[key] }) { return found }
        let made = make()
        cache.withLock { $0.folds[key] = made }
        return made
    }
}

/// The low-rank members of a layer side by side along the rank.
struct SitePair: Sendable {
    /// `[ranks, inputs]`, or `[ranks, inputs, kernel, kernel]`.
    let down: Tensor
    /// `[outputs, ranks]`; the rows of DoRA's members are scaled by `norms / |V|`.
    let up: Tensor
    /// The rank and alpha factor of each member.
    let segments: [(rank: Int, scale: Double)]
    /// `norms / |V| - 1` of each DoRA member, `[outputs]`.
    let excess: [Tensor?]

    var rank: Int { up.size(1) }
    var hasDecomposition: Bool { excess.contains { $0 != nil } }
}

/// A layer's weight and bias with their changes added.
struct FoldedWeight: Sendable {
    let weight: Tensor
    let bias: Tensor?
}

/// The last few values, by key.
struct Recent<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private var values: [(key: Key, value: Value)] = []
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    subscript(key: Key) -> Value? {
        mutating get {
            guard let place = values.firstIndex(where: { $0.key == key }) else { return nil }
            let found = values.remove(at: place)
            values.append(found)
            return found.value
        }
        set {
            values.removeAll { $0.key == key }
            if let newValue { values.append((key, newValue)) }
            if values.count > limit { values.removeFirst() }
        }
    }
}
