internal import COneDNN
internal import CKernels
import Synchronization

/// Compiled oneDNN products, and weights packed for them.
///
/// Each compute thread has an engine of its own, which makes the unguarded dictionaries safe; packed weights are shared.
final class ProductEngine: @unchecked Sendable {
    private var matmulPlans: [MatmulKey: MatmulPlan] = [:]
    private var convolutionPlans: [ConvolutionKey: ConvolutionPlan] = [:]
    private var plannedThreads = 0
    private let formats: FormatIndex
    private let packedWeights: PackedWeightStore

    /// Bytes of the largest enlarged form that is kept. A network of Stable Diffusion's size has none so small: kept forms
    /// would fill gigabytes to save a tenth of its time.
    private static let largestEnlarged = 12 << 20

    /// Compiled primitives kept before the caches start over.
    private let planLimit = 2048

    init(formats: FormatIndex, packedWeights: PackedWeightStore) {
        self.formats = formats
        self.packedWeights = packedWeights
    }

    func matmulPlan(_ key: MatmulKey) -> MatmulPlan {
        refreshForThreads()
        if let plan = matmulPlans[key] { return plan }
        if matmulPlans.count >= planLimit { matmulPlans.removeAll() }
        let plan = MatmulPlan(key, formats: formats)
        matmulPlans[key] = plan
        return plan
    }

    func convolutionPlan(_ key: ConvolutionKey) -> ConvolutionPlan {
        refreshForThreads()
        if let plan = convolutionPlans[key] { return plan }
        if convolutionPlans.count >= planLimit { convolutionPlans.removeAll() }
        let plan = ConvolutionPlan(key, formats: formats)
        convolutionPlans[key] = plan
        return plan
    }

    /// Primitives are compiled for a number of threads.
    private func refreshForThreads() {
        let threads = tk_threads()
        guard threads != plannedThreads else { return }
        matmulPlans.removeAll()
        convolutionPlans.removeAll()
        plannedThreads = threads
    }

    /// The form of frozen weights in a format, made once.
    func packed(_ weight: Tensor, format: PackedFormat, make: () -> Tensor) -> Tensor {
        guard weight.storage.isFrozen else { return make() }
        let key = PackedWeightStore.Key(
            storage: ObjectIdentifier(weight.storage), layout: weight.layout, format: format)
        if let found = packedWeights[key] { return found }
        let made = make()
        packedWeights.insert(made, for: key)
        // What a packed form replaces is not read again.
        if !format.isEnlarged { weight.storage.dropPages() }
        return made
    }

    /// The form of frozen weights in a format that is several times larger than the weights: kept only for small layers, and
    /// where a small budget of its own has room left. Nil where it is not kept.
    func packedIfRoom(_ weight: Tensor, format: PackedFormat, byteCount: Int, make: () -> Tensor) -> Tensor? {
        guard weight.storage.isFrozen else { return nil }
        let key = PackedWeightStore.Key(
            storage: ObjectIdentifier(weight.storage), layout: weight.layout, format: format)
        if let found = packedWeights[key] { return found }
        let isSmall = byteCount <= Self.largestEnlarged
        return isSmall && packedWeights.hasRoom(forEnlarged: byteCount)
            ? packed(weight, format: format, make: make) : nil
    }
}

/// The product engines of the compute threads, and what they share.
final class ProductEngines: Sendable {
    private let formats = FormatIndex()
    private let packedWeights = PackedWeightStore(byteBudget: 4 << 30, enlargedByteBudget: 160 << 20)
    private let engines = Mutex<[ProductEngine]>([])

    /// The engine of the calling compute thread.
    var current: ProductEngine {
        let lane = Int(tk_lane())
        precondition(lane > 0, "a product outside the compute threads")
        return engines.withLock { engines in
            while engines.count < lane {
                engines.append(ProductEngine(formats: formats, packedWeights: packedWeights))
            }
            return engines[lane - 1]
        }
    }

    func forget(_ storage: Storage) { packedWeights.remove(ObjectIdentifier(storage)) }
}

/// A form of weights that a kernel reads.
enum PackedFormat: Hashable, Sendable {
    /// A format of oneDNN's by its number in a `FormatIndex`.
    case primitive(Int)
    /// Transformed by `tk_winograd_transform_weights_f32` for tiles of a size; reversed for input gradients.
    case winograd(tile: Int, isReversed: Bool)

    /// Whether it takes several times the memory of the weights.
    var isEnlarged: Bool {
        switch self {
        case .primitive: false
        case .winograd: true
        }
    }
}

/// Numbers for memory formats: primitives that read one format share packed weights.
final class FormatIndex: Sendable {
    private let known = Mutex<[dnnl_memory_desc_t]>([])

    func id(of format: dnnl_memory_desc_t) -> Int {
        known.withLock { known in
            if let found = known.firstIndex(where: { DNNL.equal($0, format) }) { return found }
            known.append(format)
            return known.count - 1
        }
    }
}

/// Packed weights by the storage they were made from; the oldest go when the budget is full.
final class PackedWeightStore: Sendable {
    struct Key: Hashable, Sendable {
        let storage: ObjectIdentifier
        let layout: Layout
        let format: PackedFormat
    }

    private struct State: Sendable {
        var entries: [Key: Tensor] = [:]
        var order: [Key] = []
        var byteCount = 0
        /// Of these, what enlarged formats take.
        var enlargedByteCount = 0

        mutating func remove(_ key: Key) -> Tensor? {
            guard let removed = entries.removeValue(forKey: key) else { return nil }
            byteCount -= removed.storage.byteCount
            if key.format.isEnlarged { enlargedByteCount -= removed.storage.byteCount }
            return removed
        }
    }

    private let state = Mutex(State())
    private let byteBudget: Int
    private let enlargedByteBudget: Int

    init(byteBudget: Int, enlargedByteBudget: Int) {
        self.byteBudget = byteBudget
        self.enlargedByteBudget = enlargedByteBudget
    }

    subscript(key: Key) -> Tensor? { state.withLock { $0.entries[key] } }

    func hasRoom(forEnlarged count: Int) -> Bool {
        state.withLock { $0.enlargedByteCount + count <= enlargedByteBudget }
    }

    /// Keeps a tensor, unless another thread has just made the same one.
    func insert(_ tensor: Tensor, for key: Key) {
        let dropped = state.withLock { state -> [Tensor] in
            guard state.entries[key] == nil else { return [] }
            state.entries[key] = tensor
            state.order.append(key)
            state.byteCount += tensor.storage.byteCount
            if key.format.isEnlarged { state.enlargedByteCount += tensor.storage.byteCount }
            var dropped: [Tensor] = []
            while state.byteCount > byteBudget, let oldest = state.order.first, oldest != key {
                state.order.removeFirst()
                if let removed = state.remove(oldest) { dropped.append(removed) }
            }
            return dropped
        }
        withExtendedLifetime(dropped) {}
    }

    func remove(_ storage: ObjectIdentifier) {
        let dropped = state.withLock { state -> [Tensor] in
            let keys = state.order.filter { $0.storage == storage }
            guard !keys.isEmpty else { return [] }
            let removed = keys.compactMap { state.remove($0) }
            state.order.removeAll { $0.storage == storage }
            return removed
        }
        withExtendedLifetime(dropped) {}
    }
}
