internal import CKernels

/// PyTorch's normal numbers on CUDA: Philox 4x32-10, the stream behind pictures made on a graphics card.
///
/// `normal` gives what `torch.randn(shape, device="cuda")` gives. The other draws share its counter and are this
/// package's own: torch's depend on how a kernel is launched.
public struct PhiloxGenerator: RandomSource, Codable, Equatable {
    public let seed: UInt64
    /// Calls made so far.
    public private(set) var offset: UInt32 = 0

    public init(seed: UInt64) { self.seed = seed }

    public mutating func normal(_ shape: [Int]) -> Tensor {
        let result = Tensor.empty(shape)
        ComputeThread.shared.run { tk_philox_normal_f32(result.pointer(), result.count, seed, offset) }
        offset &+= 1
        return result
    }

    /// The high 24 bits of each word.
    public mutating func uniform(_ shape: [Int]) -> Tensor {
        Tensor(words(shape.reduce(1, *)).map { Float($0 >> 40) * 0x1p-24 }, shape: shape)
    }

    /// The high half of the product of each word and the bound; `bound / 2^64` away from even at most.
    public mutating func integers(below bound: Int, count: Int) -> [Int] {
        precondition(bound > 0 && count >= 0, "integers: \(count) below \(bound)")
        return words(count).map { Int($0.multipliedFullWidth(by: UInt64(bound)).high) }
    }

    /// Sorts by one word each.
    public mutating func permutation(_ count: Int) -> [Int] {
        precondition(count >= 0, "permutation: of \(count)")
        let keys = words(count)
        return (0..<count).sorted { (keys[$0], $0) < (keys[$1], $1) }
    }

    /// One 64-bit word a place: the first two outputs of its block.
    private mutating func words(_ count: Int) -> [UInt64] {
        defer { offset &+= 1 }
        return (0..<count).map { place in
            var counter: [UInt32] = [offset, 0, UInt32(truncatingIfNeeded: place), UInt32(place >> 32)]
            tk_philox_4x32(&counter, seed)
            return UInt64(counter[0]) << 32 | UInt64(counter[1])
        }
    }
}
