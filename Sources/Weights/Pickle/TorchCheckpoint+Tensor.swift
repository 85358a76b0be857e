public import TensorCore

extension TorchCheckpoint {
    /// A tensor of the section as it is stored, or nil when there is none of that name.
    ///
    /// Its memory is the mapped file, seen through the strides of the file; where the data does not begin at a multiple
    /// of the element's size, or where a Boolean is stored as something other than 0 and 1, it is copied.
    ///
    /// - Throws: `TorchCheckpointError` when the element type is not one to compute with.
    public func tensor(_ name: String) throws(TorchCheckpointError) -> Tensor? {
        try self[name].map { stored throws(TorchCheckpointError) in try load(stored, name) }
    }

    /// The tensor at the end of a path of keys from the file's root, or nil when there is none.
    ///
    /// - Throws: as `tensor(_:)` does.
    public func tensor(at path: [String]) throws(TorchCheckpointError) -> Tensor? {
        guard case .tensor(let stored)? = value(at: path) else { return nil }
        return try load(stored, path.joined(separator: "."))
    }

    /// Every tensor of the section by its name.
    public func tensors() throws(TorchCheckpointError) -> [String: Tensor] {
        var tensors: [String: Tensor] = [:]
        for name in names { tensors[name] = try tensor(name) }
        return tensors
    }

    private func load(_ stored: TorchTensor, _ name: String) throws(TorchCheckpointError) -> Tensor {
        let place = "tensor \(quoted(name))"
        guard let dtype = stored.dtype.dtype else {
            throw TorchCheckpointError(
                .dtype, path: path, place: place, expected: "one of F32, BF16, F16, I32, I64, U8 and BOOL",
                found: stored.dtype.rawValue)
        }
        guard stored.span > 0 else {
            return Tensor.filled(shape: stored.shape, dtype: dtype) { _ in }.frozen()
        }
        // Checked when the file was opened; once more, because from here on there is only a pointer.
        let size = dtype.byteCount
        guard let range = storages[stored.storage], stored.span <= range.count / size,
            stored.offset <= range.count / size - stored.span, range.upperBound <= mapping.byteCount
        else {
            throw TorchCheckpointError(
                .layout, path: path, place: place, expected: "elements inside the storage", found: "others")
        }
        let start = mapping.pointer + range.lowerBound + stored.offset * size
        let bytes = UnsafeRawBufferPointer(start: start, count: stored.span * size)
        let layout = Layout(shape: stored.shape, strides: stored.strides)
        let isBoolean = dtype == .bool && bytes.contains { $0 > 1 }
        guard isBoolean || !Int(bitPattern: start).isMultiple(of: size) else {
            // One storage a tensor: packed copies are cached by storage and forgotten with it.
            let storage = Storage(
                mapped: start, byteCount: bytes.count, owner: mapping, isReloadable: mapping.isFile)
            return Tensor(storage: storage, dtype: dtype, layout: layout)
        }
        let copy = Tensor.filled(shape: [stored.span], dtype: dtype) { target in
            target.copyMemory(from: bytes)
            guard isBoolean else { return }
            for index in target.indices where target[index] > 1 { target[index] = 1 }
        }
        return Tensor(storage: copy.storage, dtype: dtype, layout: layout).frozen()
    }
}
