// What the allowed names do when a pickle calls them: this reader's own words for it, and nothing else.

extension PickleMachine {
    /// `REDUCE`: the call of a function, or of a class as one.
    mutating func call(_ callable: PickleItem, _ arguments: PickleItem) throws(TorchCheckpointError) -> PickleItem {
        guard case .global(let global) = callable else {
            throw failure(.syntax, "the name of a function to call", found: callable.description)
        }
        let arguments = try tuple(arguments)
        switch global {
        case .orderedDictionary: return try orderedDictionary(arguments)
        case .set: return try new(.list(arguments.isEmpty ? [] : copied(arguments[0])))
        case .bytes:
            guard arguments.isEmpty else { throw misfit("bytes", arguments) }
            return .bytes([])
        case .size: return try new(.tuple(arguments.isEmpty ? [] : copied(arguments[0])))
        case .device: return try new(.opaque("torch.device"))
        case .encode:
            guard arguments.count == 2, case .string(let text) = arguments[0],
                case .string(let encoding) = arguments[1], ["latin1", "latin-1"].contains(encoding),
                text.unicodeScalars.allSatisfy({ $0.value < 256 })
            else { throw misfit("encode", arguments) }
            try spend(text.utf8.count)
            return .bytes(text.unicodeScalars.map { UInt8($0.value) })
        case .rebuildTensor(let version): return try tensor(version, arguments)
        case .rebuildParameter:
            guard let first = arguments.first, case .node(let index) = first, case .tensor = nodes[index] else {
                throw misfit("_rebuild_parameter", arguments)
            }
            return first
        case .numpyType:
            guard let first = arguments.first, case .string(let code) = first else { throw misfit("dtype", arguments) }
            return try new(.numpyType(code))
        case .numpyScalar: return try numpyScalar(arguments)
        case .numpyReconstruct:
            guard case .global(.numpyArray)? = arguments.first else { throw misfit("_reconstruct", arguments) }
            return try new(.opaque("numpy.ndarray"))
        case .storage, .dtype, .parameterDictionary, .numpyArray, .mention:
            throw .forbidden("a call of \(global.spelling)", path: reader.path)
        }
    }

    /// `NEWOBJ`: an object of a class, without its initialiser.
    mutating func make(_ type: PickleItem, _ arguments: PickleItem) throws(TorchCheckpointError) -> PickleItem {
        guard case .global(let global) = type else {
            throw failure(.syntax, "the name of a class", found: type.description)
        }
        let arguments = try tuple(arguments)
        switch global {
        case .parameterDictionary where arguments.isEmpty: return try new(.parameters(.none))
        case .orderedDictionary: return try orderedDictionary(arguments)
        default: throw .forbidden("an object of \(global.spelling)", path: reader.path)
        }
    }

    /// `BUILD`: gives an object its state.
    ///
    /// A state dictionary has attributes (`_metadata`, the versions of its modules), which no weight depends on: they
    /// are dropped, as are those of arrays.
    mutating func build(_ object: PickleItem, _ state: PickleItem) throws(TorchCheckpointError) {
        guard case .node(let index) = object, case .node(let stateIndex) = state else {
            throw failure(.syntax, "an object and its state", found: object.description)
        }
        switch (nodes[index], nodes[stateIndex]) {
        case (.dictionary, .dictionary): return
        case (.parameters(.none), .dictionary(let members)):
            try spend(members.count)
            nodes[index] = .parameters(state)
        case (.numpyType, .tuple(let facts)):
            guard facts.count > 1, case .string(let order) = facts[1], ["<", "=", "|"].contains(order) else {
                throw failure(.dtype, "little-endian numbers", found: "others")
            }
        case (.opaque("numpy.ndarray"), .tuple): return
        default: throw .forbidden("the state of an unknown object", path: reader.path)
        }
    }

    /// `BINPERSID`: a mention of a storage.
    ///
    ///     ("storage", class, key, device, elements)
    ///     ("storage", class, key, device, elements, None or (key, offset, elements))    legacy files
    mutating func storage(_ identifier: PickleItem) throws(TorchCheckpointError) -> PickleItem {
        let parts = try tuple(identifier)
        guard parts.count == 5 || parts.count == 6, case .string("storage") = parts[0],
            case .global(.storage(let dtype)) = parts[1], case .string(let key) = parts[2],
            case .string = parts[3], case .integer(let claimed) = parts[4],
            key.utf8.count <= PickleLimits.storageKeyByteCount
        else { throw failure(.syntax, "the identifier of a storage", found: "another tuple") }
        let elementByteCount = (dtype?.bitCount ?? 8) / 8
        let (byteCount, overflow) = Int(claimed).multipliedReportingOverflow(by: elementByteCount)
        guard claimed >= 0, !overflow else {
            throw failure(.storage, "a storage of 0 to 2^63 bytes", found: "\(claimed) elements")
        }
        let whole = PickleStorage(key: key, dtype: dtype, elementCount: Int(claimed), byteCount: byteCount)
        guard storages[key] == nil || storages[key] == whole else {
            throw failure(.storage, "one type and size for storage \(quoted(key))", found: "two")
        }
        storages[key] = whole
        var (offset, count) = (0, whole.elementCount)
        if parts.count == 6, case .node = parts[5] {
            let view = try tuple(parts[5])
            guard view.count == 3, case .integer(let start) = view[1], case .integer(let length) = view[2],
                start >= 0, start <= claimed, length >= 0, length <= claimed - start
            else { throw failure(.storage, "a view inside storage \(quoted(key))", found: "another") }
            (offset, count) = (Int(start), Int(length))
        }
        mentions.append((whole, offset, count * elementByteCount))
        return try new(.storage(mentions.count - 1))
    }

    /// `_rebuild_tensor(storage, offset, size, stride)`, `_v2(..., requires_grad, hooks)`, `_v3(..., dtype)`.
    private mutating func tensor(_ version: Int, _ arguments: [PickleItem]) throws(TorchCheckpointError) -> PickleItem {
        guard (version == 1 ? 4...4 : version == 2 ? 6...7 : 7...8).contains(arguments.count),
            case .node(let index) = arguments[0], case .storage(let mention) = nodes[index],
            case .integer(let offset) = arguments[1]
        else { throw misfit("_rebuild_tensor", arguments) }
        let (storage, start, byteCount) = mentions[mention]
        var dtype = storage.dtype
        if version == 3 {
            guard case .global(.dtype(let stated)) = arguments[6], start == 0 else {
                throw misfit("_rebuild_tensor_v3", arguments)
            }
            dtype = stated
        }
        guard let dtype else { throw failure(.dtype, "a tensor with an element type", found: "plain bytes") }
        let shape = try integers(arguments[2])
        let strides = try integers(arguments[3])
        // The view ends where it ends, also seen from the storage's beginning.
        let end = start * ((storage.dtype?.bitCount ?? 8) / 8) + byteCount
        let (first, overflow) = Int(offset).addingReportingOverflow(start)
        guard !overflow, offset >= 0,
            let tensor = TorchTensor(
                dtype: dtype, shape: shape, strides: strides, offset: first, storage: storage.key,
                storageByteCount: end)
        else {
            throw failure(
                .layout, "\(dtype.rawValue) elements inside the \(byteCount) bytes of storage \(quoted(storage.key))",
                found: "shape \(shape), strides \(strides), offset \(offset)")
        }
        guard tensors.count < PickleLimits.tensorCount else { throw tooMany("tensors", PickleLimits.tensorCount) }
        tensors.append(tensor)
        return try new(.tensor(tensors.count - 1))
    }

    // MARK: Small things

    private mutating func orderedDictionary(_ arguments: [PickleItem]) throws(TorchCheckpointError) -> PickleItem {
        var members: [PickleItem] = []
        // Python 2 passed the pairs; Python 3 adds them afterwards.
        for pair in arguments.isEmpty ? [] : try copied(arguments[0]) {
            let pair = try elements(pair)
            guard pair.count == 2 else { throw misfit("OrderedDict", arguments) }
            members += pair
        }
        return try new(.dictionary(members))
    }

    /// `scalar(dtype, bytes)`.
    private func numpyScalar(_ arguments: [PickleItem]) throws(TorchCheckpointError) -> PickleItem {
        guard arguments.count == 2, case .node(let index) = arguments[0], case .numpyType(let code) = nodes[index],
            case .bytes(let bytes) = arguments[1], let value = PickleItem(numpy: code, bytes)
        else { throw misfit("numpy.scalar", arguments) }
        return value
    }

    private func tuple(_ item: PickleItem) throws(TorchCheckpointError) -> [PickleItem] {
        guard case .node(let index) = item, case .tuple(let elements) = nodes[index] else {
            throw failure(.syntax, "a tuple", found: item.description)
        }
        return elements
    }

    private func elements(_ item: PickleItem) throws(TorchCheckpointError) -> [PickleItem] {
        guard case .node(let index) = item else { throw failure(.syntax, "a list", found: item.description) }
        switch nodes[index] {
        case .list(let elements), .tuple(let elements): return elements
        default: throw failure(.syntax, "a list", found: item.description)
        }
    }

    /// The elements of a list that a call copies. What is mentioned again and again is copied again and again.
    private mutating func copied(_ item: PickleItem) throws(TorchCheckpointError) -> [PickleItem] {
        let elements = try elements(item)
        try spend(elements.count)
        return elements
    }

    private func integers(_ item: PickleItem) throws(TorchCheckpointError) -> [Int] {
        let items = try elements(item)
        guard items.count <= PickleLimits.rank else { throw tooMany("dimensions", PickleLimits.rank) }
        var integers: [Int] = []
        for item in items {
            guard case .integer(let value) = item else {
                throw failure(.syntax, "an integer", found: item.description)
            }
            integers.append(Int(value))
        }
        return integers
    }

    private func misfit(_ function: String, _ arguments: [PickleItem]) -> TorchCheckpointError {
        failure(.syntax, "the arguments of \(function) as torch writes them", found: "\(arguments.count) others")
    }
}

extension PickleItem {
    /// A number of numpy: its type's code, such as `f8`, and its little-endian bytes.
    init?(numpy code: String, _ bytes: [UInt8]) {
        guard bytes.count <= 8 else { return nil }
        let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        switch (code, bytes.count) {
        case ("f8", 8): self = .float(Double(bitPattern: bits))
        case ("f4", 4): self = .float(Double(Float(bitPattern: UInt32(bits))))
        case ("i8", 8): self = .integer(Int64(bitPattern: bits))
        case ("i4", 4): self = .integer(Int64(Int32(truncatingIfNeeded: bits)))
        case ("i2", 2): self = .integer(Int64(Int16(truncatingIfNeeded: bits)))
        case ("i1", 1): self = .integer(Int64(Int8(truncatingIfNeeded: bits)))
        case ("u8", 8): self = Int64(exactly: bits).map { .integer($0) } ?? .wideInteger(bits: 64)
        case ("u4", 4), ("u2", 2), ("u1", 1): self = .integer(Int64(bits))
        case ("b1", 1): self = .boolean(bits != 0)
        default: return nil
        }
    }
}
