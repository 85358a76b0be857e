internal import TensorCore

extension KernelArgument {
    /// The address of a tensor's first element.
    static func tensor(_ x: Tensor) -> KernelArgument { .address(x.deviceAddress) }

    /// The address of a tensor's first element, or null.
    static func tensor(_ x: Tensor?) -> KernelArgument { .address(x?.deviceAddress ?? 0) }

    static func flag(_ value: Bool) -> KernelArgument { .int32(value ? 1 : 0) }
}

extension Tensor {
    var deviceAddress: UInt64 { UInt64(UInt(bitPattern: storage.pointer + layout.offset * dtype.byteCount)) }
}

/// A structure with C's layout, field by field.
struct Fields {
    private(set) var bytes: [UInt8] = []
    private var alignment = 1

    mutating func add<Value>(_ value: Value) {
        let size = MemoryLayout<Value>.size
        align(to: size)
        alignment = max(alignment, size)
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    /// The address of a tensor's first element, or null.
    mutating func add(address tensor: Tensor?) { add(tensor?.deviceAddress ?? 0) }

    /// The finished structure.
    var argument: KernelArgument {
        var result = self
        result.align(to: alignment)
        return .bytes(result.bytes)
    }

    private mutating func align(to size: Int) {
        while bytes.count % size != 0 { bytes.append(0) }
    }
}

/// A shape and the strides of some operands, with neighbouring dimensions merged where all operands allow it.
struct StridedPlan {
    private(set) var shape: [Int] = []
    private(set) var strides: [[Int]]

    static let largestRank = 8

    /// - Parameter shape: slowest dimension first.
    init(shape: [Int], strides: [[Int]]) {
        self.strides = strides.map { _ in [] }
        for dimension in shape.indices where shape[dimension] != 1 {
            let canMerge =
                !self.shape.isEmpty
                && strides.indices.allSatisfy {
                    self.strides[$0][self.shape.count - 1] == strides[$0][dimension] * shape[dimension]
                }
            if canMerge {
                self.shape[self.shape.count - 1] *= shape[dimension]
                for operand in strides.indices {
                    self.strides[operand][self.shape.count - 1] = strides[operand][dimension]
                }
            } else {
                self.shape.append(shape[dimension])
                for operand in strides.indices { self.strides[operand].append(strides[operand][dimension]) }
            }
        }
        precondition(self.shape.count <= Self.largestRank, "CUDA: a layout of \(self.shape.count) dimensions")
        precondition(shape.reduce(1, *) <= Int(UInt32.max), "CUDA: a strided operation on \(shape)")
    }

    /// `{ int rank; u32 shape[8]; i64 strides[operands][8]; }`
    var argument: KernelArgument {
        func padded(_ values: [Int]) -> [Int] {
            values + [Int](repeating: 1, count: Self.largestRank - values.count)
        }
        var fields = Fields()
        fields.add(Int32(shape.count))
        for size in padded(shape) { fields.add(UInt32(size)) }
        for operand in strides { for stride in padded(operand) { fields.add(Int64(stride)) } }
        return fields.argument
    }
}

extension DType {
    /// The number that kernels know the type by.
    var kernelNumber: Int32 {
        switch self {
        case .float32: 0
        case .bfloat16: 1
        case .float16: 2
        case .int32: 3
        case .int64: 4
        case .uint8: 5
        case .bool: 6
        default: preconditionFailure("CUDA: a kernel on \(self)")
        }
    }

    var bits: Int { byteCount * 8 }
}
