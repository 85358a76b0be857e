#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Random numbers for one parameter: number `i` is a function of the seed, the parameter's key and `i`.
///
/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), read at a position instead
/// of stepped.
struct InitialNumbers {
    private let start: UInt64

    init(seed: UInt64, key: String) {
        // FNV-1a of the key; the two mixes keep neighbouring seeds and similar keys apart.
        let hash = key.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        start = Self.mix(hash &+ Self.mix(seed &+ Self.step))
    }

    /// Uniform in `[-bound, bound)`, of 24 random bits each.
    func fillUniform(_ out: UnsafeMutableBufferPointer<Float>, _ bound: Float) {
        let scale = bound * 0x1p-23
        for i in out.indices { out[i] = (Float(bits(i) >> 40) - 0x1p23) * scale }
    }

    /// Normal with mean 0, by pairs (Box and Muller):
    ///
    ///     (r cos a, r sin a)   with   r = sqrt(-2 ln u),  u uniform in (0, 1],  a uniform in [0, 2 pi)
    func fillNormal(_ out: UnsafeMutableBufferPointer<Float>, _ standardDeviation: Float) {
        for i in stride(from: 0, to: out.count, by: 2) {
            let radius = (-2 * log((Double(bits(i) >> 11) + 1) * 0x1p-53)).squareRoot() * Double(standardDeviation)
            let angle = Double(bits(i + 1) >> 11) * (2 * Double.pi * 0x1p-53)
            out[i] = Float(radius * cos(angle))
            if i + 1 < out.count { out[i + 1] = Float(radius * sin(angle)) }
        }
    }

    private func bits(_ position: Int) -> UInt64 {
        Self.mix(start &+ UInt64(truncatingIfNeeded: position &+ 1) &* Self.step)
    }

    private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
