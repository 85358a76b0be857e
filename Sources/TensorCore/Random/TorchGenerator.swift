internal import CKernels

/// PyTorch's random numbers on the CPU: the same seed and calls give the same tensors as `torch.Generator`.
///
/// Mersenne Twister mt19937. `torch.randn` of 16 numbers and more equals torch's up to the last bits of its vectorised
/// logarithm and sine; everything else is exact.
public struct TorchGenerator: RandomSource {
    /// The seed that the stream started from. As in torch on the CPU, only its low 32 bits count.
    public let seed: UInt64
    private var state = tk_mt19937()

    public init(seed: UInt64) {
        self.seed = seed
        tk_mt19937_seed(&state, seed)
    }

    /// `torch.randn`
    public mutating func normal(_ shape: [Int]) -> Tensor {
        let result = Tensor.empty(shape)
        ComputeThread.shared.run { tk_normal_fill_f32(&state, result.pointer(), result.count, 0, 1) }
        return result
    }

    /// `torch.rand`
    public mutating func uniform(_ shape: [Int]) -> Tensor {
        let result = Tensor.empty(shape)
        ComputeThread.shared.run { tk_uniform_fill_f32(&state, result.pointer(), result.count, 0, 1) }
        return result
    }

    /// `torch.randint(low, high, (count,))`
    public mutating func integers(in range: Range<Int>, count: Int) -> [Int] {
        precondition(!range.isEmpty && count >= 0, "integers: \(count) in \(range)")
        var result = [Int64](repeating: 0, count: count)
        tk_randint_fill_i64(&state, &result, count, Int64(range.lowerBound), Int64(range.upperBound))
        return result.map(Int.init)
    }

    public mutating func integers(below bound: Int, count: Int) -> [Int] { integers(in: 0..<bound, count: count) }

    /// `torch.randperm`
    public mutating func permutation(_ count: Int) -> [Int] {
        precondition(count >= 0, "permutation: of \(count)")
        var result = [Int64](repeating: 0, count: count)
        tk_randperm_i64(&state, &result, count)
        return result.map(Int.init)
    }
}

extension TorchGenerator {
    /// The words of the twister, the position, and the cached normal with a flag, little-endian.
    private static let stateByteCount = 624 * 4 + 4 + 1 + 8

    var stateBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.stateByteCount)
        withUnsafeBytes(of: state.state) { words in
            for word in words.bindMemory(to: UInt32.self) { bytes.appendLittleEndian(word) }
        }
        bytes.appendLittleEndian(state.next)
        bytes.append(state.has_normal ? 1 : 0)
        bytes.appendLittleEndian(state.has_normal ? state.normal.bitPattern : 0)
        return bytes
    }

    /// Nil when the bytes are no state.
    init?(seed: UInt64, stateBytes bytes: [UInt8]) {
        guard bytes.count == Self.stateByteCount else { return nil }
        self.init(seed: seed)
        withUnsafeMutableBytes(of: &state.state) { words in
            let words = words.bindMemory(to: UInt32.self)
            for index in words.indices { words[index] = bytes.littleEndian(at: 4 * index) }
        }
        state.next = bytes.littleEndian(at: 624 * 4)
        state.has_normal = bytes[625 * 4] != 0
        state.normal = Double(bitPattern: bytes.littleEndian(at: 625 * 4 + 1))
        guard state.next <= 624 && bytes[625 * 4] <= 1 && state.normal.isFinite else { return nil }
    }
}

extension TorchGenerator: Equatable {
    public static func == (a: TorchGenerator, b: TorchGenerator) -> Bool {
        a.seed == b.seed && a.stateBytes == b.stateBytes
    }
}

extension [UInt8] {
    fileprivate mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    fileprivate func littleEndian<Value: FixedWidthInteger & UnsignedInteger>(at offset: Int) -> Value {
        (0..<MemoryLayout<Value>.size).reduce(0) { $0 | Value(self[offset + $1]) << Value(8 * $1) }
    }
}
