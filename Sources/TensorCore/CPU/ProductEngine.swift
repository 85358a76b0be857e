internal import COneDNN
internal import CKernels
import Synchronization

/// Compiled oneDNN products, and weights packed for them.
///
/// Everything but `forget` runs on the compute thread, which makes the unguarded dictionaries safe.
final class ProductEngine: @unchecked Sendable {
    private var matmulPlans: [MatmulKey: MatmulPlan] = [:]
    private var convolutionPlans: [ConvolutionKey: ConvolutionPlan] = [:]
    private var formats = FormatIndex()
    private var plannedThreads = 0
    private let packedWeights = Mutex(PackedWeights(byteBudget: 4 << 30))

    /// Compiled primitives kept before the caches start over.
    private let planLimit = 2048

    func matmulPlan(_ key: MatmulKey) -> MatmulPlan {
        refreshForThreads()
        if let plan = matmulPlans[key] { return plan }
        if matmulPlans.count >= planLimit { matmulPlans.removeAll() }
        let plan = MatmulPlan(key, formats: &formats)
        matmulPlans[key] = plan
        return plan
    }

    func convolutionPlan(_ key: ConvolutionKey) -> ConvolutionPlan {
        refreshForThreads()
        if let plan = convolutionPlans[key] { return plan }
        if convolutionPlans.count >= planLimit { convolutionPlans.removeAll() }
        let plan = ConvolutionPlan(key, formats: &formats)
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
        let key = PackedWeights.Key(
            storage: ObjectIdentifier(weight.storage), layout: weight.layout, format: format)
        if let found = packedWeights.withLock({ $0.entries[key] }) { return found }
        let made = make()
        packedWeights.withLock { $0.insert(made, for: key) }
        return made
    }

    /// The form of frozen weights in a format that is larger than the weights: kept only where the budget has room left,
    /// so that it never drives out another. Nil where it is not kept.
    func packedIfRoom(_ weight: Tensor, format: PackedFormat, byteCount: Int, make: () -> Tensor) -> Tensor? {
        guard weight.storage.isFrozen else { return nil }
        let key = PackedWeights.Key(
            storage: ObjectIdentifier(weight.storage), layout: weight.layout, format: format)
        let (found, hasRoom) = packedWeights.withLock { ($0.entries[key], $0.hasRoom(for: byteCount)) }
        return found ?? (hasRoom ? packed(weight, format: format, make: make) : nil)
    }

    func forget(_ storage: Storage) {
        packedWeights.withLock { $0.remove(ObjectIdentifier(storage)) }
    }
}

/// A form of weights that a kernel reads.
enum PackedFormat: Hashable {
    /// A format of oneDNN's by its number in a `FormatIndex`.
    case primitive(Int)
    /// Transformed by `tk_winograd_transform_weights_f32` for tiles of a size; reversed for input gradients.
    case winograd(tile: Int, isReversed: Bool)
}

/// Numbers for memory formats: primitives that read one format share packed weights.
struct FormatIndex {
    private var known: [dnnl_memory_desc_t] = []

    mutating func id(of format: dnnl_memory_desc_t) -> Int {
        if let found = known.firstIndex(where: { DNNL.equal($0, format) }) { return found }
        known.append(format)
        return known.count - 1
    }
}

/// Packed weights by the storage they were made from; the oldest go when the budget is full.
private struct PackedWeights: Sendable {
    struct Key: Hashable {
        let storage: ObjectIdentifier
        let layout: Layout
        let format: PackedFormat
    }

    var entries: [Key: Tensor] = [:]
    private var order: [Key] = []
    private var byteCount = 0
    private let byteBudget: Int

    init(byteBudget: Int) { self.byteBudget = byteBudget }

    func hasRoom(for count: Int) -> Bool { byteCount + count <= byteBudget }

    mutating func insert(_ tensor: Tensor, for key: Key) {
        entries[key] = tensor
        order.append(key)
        byteCount += tensor.storage.byteCount
        while byteCount > byteBudget, let oldest = order.first, oldest != key {
            order.removeFirst()
            if let removed = entries.removeValue(forKey: oldest) { byteCount -= removed.storage.byteCount }
        }
    }

    mutating func remove(_ storage: ObjectIdentifier) {
        for key in order where key.storage == storage {
            if let removed = entries.removeValue(forKey: key) { byteCount -= removed.storage.byteCount }
        }
        order.removeAll { $0.storage == storage }
    }
}
