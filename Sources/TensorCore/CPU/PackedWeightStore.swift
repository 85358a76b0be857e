internal import COneDNN
import Synchronization

#if canImport(Glibc)
    internal import Glibc
#endif

/// A form of weights that a kernel reads.
enum PackedFormat: Hashable, Sendable {
    /// A format of oneDNN's by its number in a `FormatIndex`.
    case primitive(Int)
    /// Transformed by `tk_winograd_transform_weights_f32` for tiles of a size; reversed for input gradients.
    case winograd(tile: Int, isReversed: Bool)
    /// Quantised rows by `tk_pack_rows`.
    case byteProducts
    /// bfloat16 weights by `tk_tile_pack`.
    case tiles

    /// Whether it takes several times the memory of the weights.
    var isEnlarged: Bool {
        switch self {
        case .primitive, .byteProducts, .tiles: false
        case .winograd: true
        }
    }
}

/// Numbers for memory formats: primitives that read one format share packed weights.
final class FormatIndex: Sendable {
    private let known = Mutex<[dnnl_memory_desc_t]>([])

    var count: Int { known.withLock(\.count) }

    subscript(id: Int) -> dnnl_memory_desc_t { known.withLock { $0[id] } }

    func id(of format: dnnl_memory_desc_t) -> Int {
        known.withLock { known in
            if let found = known.firstIndex(where: { DNNL.equal($0, format) }) { return found }
            known.append(format)
            return known.count - 1
        }
    }
}

/// Packed weights by the storage they were made from, within a byte budget.
///
/// A pass reads all weights of a model in the same order, so whatever went to make room would be the next to be missed:
/// forms that find no room are not kept, and only these are made anew at each pass.
final class PackedWeightStore: Sendable {
    struct Key: Hashable, Sendable {
        let storage: ObjectIdentifier
        let layout: Layout
        let format: PackedFormat

        /// A storage has few layouts: comparing them is enough.
        func hash(into hasher: inout Hasher) {
            hasher.combine(storage)
            hasher.combine(format)
        }
    }

    private struct State: Sendable {
        var entries: [Key: Tensor] = [:]
        var byteCount = 0
        /// Of these, what enlarged formats take.
        var enlargedByteCount = 0
    }

    private let state = Mutex(State())
    private let byteBudget: Int
    private let enlargedByteBudget: Int

    init(byteBudget: Int, enlargedByteBudget: Int) {
        self.byteBudget = byteBudget
        self.enlargedByteBudget = enlargedByteBudget
    }

    subscript(key: Key) -> Tensor? { state.withLock { $0.entries[key] } }

    var keptByteCount: Int { state.withLock(\.byteCount) }

    func hasRoom(for count: Int, isEnlarged: Bool) -> Bool {
        state.withLock { state in
            isEnlarged
                ? state.enlargedByteCount + count <= enlargedByteBudget : state.byteCount + count <= byteBudget
        }
    }

    /// A third of the machine's memory, at least 4 GiB: SDXL's UNet in bf16 takes 5.
    static var defaultByteBudget: Int {
        max(4 << 30, sysconf(Int32(_SC_PHYS_PAGES)) / 3 * sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Keeps a tensor where there is room.
    ///
    /// - Returns: whether the form is kept, by this call or by another thread's a moment before.
    func insert(_ tensor: Tensor, for key: Key) -> Bool {
        let count = tensor.storage.byteCount
        return state.withLock { state in
            if state.entries[key] != nil { return true }
            guard state.byteCount + count <= byteBudget else { return false }
            state.entries[key] = tensor
            state.byteCount += count
            if key.format.isEnlarged { state.enlargedByteCount += count }
            return true
        }
    }

    /// Forgets all forms of a storage, which is gone.
    func remove(_ storage: ObjectIdentifier) {
        let dropped = state.withLock { state -> [Tensor] in
            let keys = state.entries.keys.filter { $0.storage == storage }
            return keys.compactMap { key in
                guard let removed = state.entries.removeValue(forKey: key) else { return nil }
                state.byteCount -= removed.storage.byteCount
                if key.format.isEnlarged { state.enlargedByteCount -= removed.storage.byteCount }
                return removed
            }
        }
        withExtendedLifetime(dropped) {}
    }
}
