/// A small random generator whose whole state is one counter.
///
///     state += 0x9E3779B97F4A7C15;  output = mix(state)
///
/// Output i of a seed is `mix(seed + (i + 1) * 0x9E37...)`, so streams can be entered anywhere. A value, no globals.
/// Follows Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    /// A stream that belongs to `(seed, index)` alone: neighbouring indices give unrelated streams.
    public init(seed: UInt64, index: UInt64) {
        state = Self.mix(
            Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15) ^ (index &* 0xD1B5_4A32_D192_ED03 &+ 0x8CB9_2BA7_2F3D_8DD7))
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// A uniform number in 0..<1 with 53 bits.
    public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A uniform number in `low..<high`.
    public mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

    /// True with the given probability.
    public mutating func chance(_ probability: Double) -> Bool { uniform() < probability }

    /// A uniform index in `0..<count`.
    public mutating func index(_ count: Int) -> Int { min(count - 1, Int(uniform() * Double(count))) }

    /// A uniform element of a collection that is not empty.
    public mutating func pick<T>(_ items: [T]) -> T { items[index(items.count)] }

    /// The items in a uniformly random order.
    public mutating func shuffled<T>(_ items: [T]) -> [T] {
        var items = items
        for last in stride(from: items.count - 1, to: 0, by: -1) { items.swapAt(last, index(last + 1)) }
        return items
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
