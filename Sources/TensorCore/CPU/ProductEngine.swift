internal import COneDNN
internal import CKernels
import Synchronization

/// Compiled oneDNN products, and weights packed for them.
///
/// Each compute thread has an engine of its own, which makes the unguarded dictionaries safe; packed weights are shared.
final class ProductEngine: @unchecked Sendable {
    private var matmulPlans: [MatmulKey: MatmulPlan] = [:]
    private var convolutionPlans: [ConvolutionKey: ConvolutionPlan] = [:]
    private var reorders: [Reorder: DNNLPrimitive] = [:]
    /// Where weights are packed for one use, as large as the largest were.
    private var packingRoom = Tensor.empty([1], dtype: .uint8)
    /// Where kernels keep what they need while they run.
    let scratch = ScratchRoom()
    private var plannedThreads = 0
    private let formats: FormatIndex
    private let packedWeights: PackedWeightStore
    private let packedMemory: PackedMemory

    /// Bytes of the largest enlarged form that is kept. A network of Stable Diffusion's size has none so small: kept forms
    /// would fill gigabytes to save a tenth of its time.
    private static let largestEnlarged = 12 << 20

    /// Compiled primitives kept before the caches start over.
    private let planLimit = 2048

    /// From one format to another, whose axes are those of the first in turn or, transposed, the other way round.
    private struct Reorder: Hashable {
        let source: Int
        let isTransposed: Bool
        let destination: Int
    }

    init(formats: FormatIndex, packedWeights: PackedWeightStore, packedMemory: PackedMemory) {
        self.formats = formats
        self.packedWeights = packedWeights
        self.packedMemory = packedMemory
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
        reorders.removeAll()
        plannedThreads = threads
    }

    /// The form of weights in a format; of frozen ones made once.
    ///
    /// - Parameter fill: writes the form's bytes.
    func packed(_ weight: Tensor, format: PackedFormat, byteCount: Int, fill: (Tensor) -> Void) -> Tensor {
        func made(_ packed: Tensor) -> Tensor {
            fill(packed)
            return packed
        }
        guard weight.storage.isFrozen else { return made(Tensor.empty([byteCount], dtype: .uint8)) }
        let key = PackedWeightStore.Key(
            storage: ObjectIdentifier(weight.storage), layout: weight.layout, format: format)
        if let found = packedWeights[key] { return found }
        // The weights as they are read are larger than anything else of a network, each size for a few layers.
        let packed = MemoryPool.shared.givingBack {
            let isKept = packedWeights.hasRoom(for: byteCount, isEnlarged: format.isEnlarged)
            return made(isKept ? packedMemory.empty(byteCount) : Tensor.empty([byteCount], dtype: .uint8))
        }
        // What a packed form replaces is not read again.
        if packedWeights.insert(packed, for: key) && !format.isEnlarged { weight.storage.dropPages() }
        return packed
    }

    /// Frozen weights in the format of a gradient, made for one use from the form that the forward pass keeps: two kept
    /// forms would take twice the memory, and one pass over the weights is a small part of a step. The next use takes its
    /// place. Nil where no form is kept.
    func repackedTransposed(_ weight: Tensor, formatID: Int) -> Tensor? {
        guard let origin = kept(weight, isTransposed: true, besides: formatID) else { return nil }
        let byteCount = DNNL.byteCount(formats[formatID])
        if packingRoom.count < byteCount { packingRoom = Tensor.empty([byteCount], dtype: .uint8) }
        repack(origin, isTransposed: true, formatID: formatID, into: packingRoom.rawPointer)
        return packingRoom
    }

    /// Lends weights in the format of a gradient: as they are kept, or made for this use, from the form that the forward
    /// pass keeps or, where it keeps none, from the weights themselves, beside which a form would double the memory.
    ///
    /// - Parameter fill: writes the form's bytes.
    func withWeights<Result>(
        _ weight: Tensor, formatID: Int, byteCount: Int, fill: (UnsafeMutableRawPointer) -> Void,
        _ body: (UnsafeMutableRawPointer) -> Result
    ) -> Result {
        if weight.storage.isFrozen, let found = packedWeights[key(weight, weight.layout, formatID)] {
            defer { withExtendedLifetime(found) {} }
            return body(found.rawPointer)
        }
        return scratch.lend(byteCount) { room in
            if let origin = kept(weight, isTransposed: false, besides: formatID) {
                repack(origin, isTransposed: false, formatID: formatID, into: room)
            } else {
                fill(room)
            }
            return body(room)
        }
    }

    private func key(_ weight: Tensor, _ layout: Layout, _ id: Int) -> PackedWeightStore.Key {
        .init(storage: ObjectIdentifier(weight.storage), layout: layout, format: .primitive(id))
    }

    /// A form of frozen weights, or of their transpose, that is kept, and its format; nil where there is none, and where
    /// the weights are kept in the format that is wanted.
    private func kept(
        _ weight: Tensor, isTransposed: Bool, besides destination: Int
    ) -> (form: Tensor, formatID: Int)? {
        guard weight.storage.isFrozen, packedWeights[key(weight, weight.layout, destination)] == nil else { return nil }
        let layout = isTransposed ? weight.transposed(0, 1).layout : weight.layout
        for id in 0..<formats.count where isTransposed || id != destination {
            if let form = packedWeights[key(weight, layout, id)] { return (form, id) }
        }
        return nil
    }

    private func repack(
        _ origin: (form: Tensor, formatID: Int), isTransposed: Bool, formatID destination: Int,
        into room: UnsafeMutableRawPointer
    ) {
        let reorder = Reorder(source: origin.formatID, isTransposed: isTransposed, destination: destination)
        let source = formats[origin.formatID]
        refreshForThreads()
        let primitive =
            reorders[reorder]
            ?? DNNLPrimitive(reorder: isTransposed ? DNNL.transposed(source) : source, to: formats[destination])
        reorders[reorder] = primitive
        primitive.execute(origin.form.rawPointer, room)
        withExtendedLifetime(origin.form) {}
    }

    /// The form of frozen weights in a format that kernels can do without; nil where it is not kept. A format that is
    /// several times larger than the weights is kept only for small layers, within a small budget of its own.
    func packedIfRoom(_ weight: Tensor, format: PackedFormat, byteCount: Int, fill: (Tensor) -> Void) -> Tensor? {
        guard weight.storage.isFrozen else { return nil }
        let key = PackedWeightStore.Key(
            storage: ObjectIdentifier(weight.storage), layout: weight.layout, format: format)
        if let found = packedWeights[key] { return found }
        let isKept =
            (!format.isEnlarged || byteCount <= Self.largestEnlarged)
            && packedWeights.hasRoom(for: byteCount, isEnlarged: format.isEnlarged)
        return isKept ? packed(weight, format: format, byteCount: byteCount, fill: fill) : nil
    }
}

/// The product engines of the compute threads, and what they share.
final class ProductEngines: Sendable {
    private let formats = FormatIndex()
    private let packedWeights = PackedWeightStore(
        byteBudget: PackedWeightStore.defaultByteBudget, enlargedByteBudget: 160 << 20)
    private let packedMemory = PackedMemory()
    private let engines = Mutex<[ProductEngine]>([])

    /// The engine of the calling compute thread.
    var current: ProductEngine {
        let lane = Int(tk_lane())
        precondition(lane > 0, "a product outside the compute threads")
        return engines.withLock { engines in
            while engines.count < lane {
                engines.append(
                    ProductEngine(formats: formats, packedWeights: packedWeights, packedMemory: packedMemory))
            }
            return engines[lane - 1]
        }
    }

    func forget(_ storage: Storage) { packedWeights.remove(ObjectIdentifier(storage)) }

    /// What the packed forms that are kept take.
    var packedByteCount: Int { packedWeights.keptByteCount }
}
