/// A stream of random numbers, handed in where it is needed. A value: a copy repeats what the original draws next.
public protocol RandomSource: Sendable {
    /// Float32 numbers from the normal distribution with mean 0 and deviation 1.
    mutating func normal(_ shape: [Int]) -> Tensor

    /// Float32 numbers in `0 ..< 1`.
    mutating func uniform(_ shape: [Int]) -> Tensor

    /// Whole numbers in `0 ..< bound`; `bound` is at least 1.
    mutating func integers(below bound: Int, count: Int) -> [Int]

    /// The numbers `0 ..< count` in random order.
    mutating func permutation(_ count: Int) -> [Int]
}
