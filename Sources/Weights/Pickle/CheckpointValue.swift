internal import TensorCore

/// A value of a torch checkpoint, without behaviour: a number, a text, a container, or a tensor's place in the file.
public enum CheckpointValue: Sendable {
    case none
    case boolean(Bool)
    case integer(Int64)
    case float(Double)
    case string(String)
    case bytes([UInt8])
    /// A list, tuple or set.
    case list([CheckpointValue])
    /// A dictionary or a module's parameters; keys that are no text are spelled as Python prints them.
    case dictionary([String: CheckpointValue])
    indirect case tensor(TorchTensor)
    /// Something that is only named: a class, a device, an array of numpy.
    case opaque(String)

    /// The value of a dictionary's key or at a list's position, or nil.
    public subscript(key: String) -> CheckpointValue? {
        switch self {
        case .dictionary(let members): members[key]
        case .list(let elements): Int(key).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
        default: nil
        }
    }
}

extension CheckpointValue: CustomStringConvertible {
    /// The value's kind and size, not its contents: those of a hostile file could be printed forever.
    public var description: String {
        switch self {
        case .none: "None"
        case .boolean(let value): value ? "True" : "False"
        case .integer(let value): "\(value)"
        case .float(let value): "\(value)"
        case .string(let value): quoted(value)
        case .bytes(let bytes): "\(bytes.count) bytes"
        case .list(let elements): "a list of \(elements.count)"
        case .dictionary(let members): "a dictionary of \(members.count)"
        case .tensor(let tensor): "a tensor \(tensor.dtype.rawValue) \(tensor.shape)"
        case .opaque(let name): name
        }
    }
}

/// What a checkpoint says of one tensor. Its numbers come from `TorchCheckpoint.tensor`.
public struct TorchTensor: Sendable, Equatable {
    public let dtype: SafetensorsDType
    public let shape: [Int]
    /// The storage's name in the file; tensors that share it share memory.
    let storage: String
    /// In elements, as in `Layout`.
    let strides: [Int]
    let offset: Int
    /// Elements from the first to the last one that the tensor reaches; 0 when it is empty.
    let span: Int

    /// Checks that every element lies in a storage.
    ///
    /// - Parameter storageByteCount: the bytes that the storage has, according to the pickle.
    /// - Returns: nil when a number is negative, when arithmetic overflows, when an element lies outside, or when far
    ///   more elements are claimed than the storage has.
    init?(
        dtype: SafetensorsDType, shape: [Int], strides: [Int], offset: Int, storage: String, storageByteCount: Int
    ) {
        let byteCount = dtype.bitCount / 8
        guard dtype.bitCount.isMultiple(of: 8), shape.count == strides.count, shape.count <= PickleLimits.rank,
            offset >= 0, strides.allSatisfy({ $0 >= 0 }), let total = dtype.byteCount(ofShape: shape)
        else { return nil }
        let capacity = storageByteCount / byteCount
        var last = 0
        for (size, stride) in zip(shape, strides) where size > 1 && total > 0 {
            let (step, overflow1) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, overflow2) = last.addingReportingOverflow(step)
            guard !overflow1, !overflow2 else { return nil }
            last = sum
        }
        let span = total == 0 ? 0 : last.addingReportingOverflow(1).partialValue
        guard span >= 0, offset <= capacity, span <= capacity - offset else { return nil }
        guard total / byteCount <= max(capacity, PickleLimits.repeatedElementCount) else { return nil }
        self.dtype = dtype
        self.shape = shape
        self.offset = offset
        self.storage = storage
        self.span = span
        // Strides along which nothing is ever stepped may be any number in the file; views compute with them.
        var steps = total == 0 ? Layout.rowMajorStrides(shape) : strides
        for dimension in shape.indices.reversed() where shape[dimension] == 1 {
            let inner = dimension + 1
            // Wraps only for storages of half the address space, which no file turns out to hold.
            steps[dimension] = inner < shape.count ? steps[inner] &* max(shape[inner], 1) : 1
        }
        self.strides = steps
    }
}
