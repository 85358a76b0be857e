extension Tensor {
    /// Frozen weights that are made when they are first read.
    ///
    /// A kernel that packs weights reads them once and keeps the packed form alone.
    ///
    /// - Parameter make: gives a tensor of this shape and type, the same at each call.
    package static func deferred(shape: [Int], dtype: DType, make: @escaping @Sendable () -> Tensor) -> Tensor {
        let layout = Layout(rowMajor: shape)
        let byteCount = layout.count * dtype.byteCount
        let storage = Storage(deferred: byteCount) {
            let made = make().detached.contiguous()
            precondition(made.shape == shape && made.dtype == dtype, "deferred: \(made.shape) \(made.dtype)")
            if made.layout.offset == 0 && made.storage.byteCount == byteCount { return made.storage }
            let own = Storage(byteCount: byteCount)
            own.pointer.copyMemory(from: made.rawPointer, byteCount: byteCount)
            return own
        }
        return Tensor(storage: storage, dtype: dtype, layout: layout)
    }

    /// The same values for one use, without keeping deferred weights in memory.
    var transient: Tensor { Tensor(storage: storage.transient(), dtype: dtype, layout: layout) }

    /// Gives the pages of a mapped file back to the system; they are read again if need be.
    package func dropPages() { storage.dropPages() }
}
