#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// e to a power.
func exponential(_ x: Double) -> Double { exp(x) }

/// The cosine of an angle in turns.
func cosine(_ turns: Double) -> Double { cos(2 * .pi * turns) }

/// The sine of an angle in turns.
func sine(_ turns: Double) -> Double { sin(2 * .pi * turns) }

/// The angle of a point of the plane in turns, 0 ..< 1.
func turn(_ x: Double, _ y: Double) -> Double {
    let turns = atan2(y, x) / (2 * .pi)
    return turns < 0 ? turns + 1 : turns
}
