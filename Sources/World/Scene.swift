/// One picture's content, apart from the way it is drawn.
public enum Scene: Sendable, Hashable, Codable {
    case portrait(Portrait)
    case landscape(Landscape)
}

/// `value` held in 0...1.
func unit(_ value: Double) -> Double { max(0, min(1, value)) }

/// `value` held in -1...1.
func signedUnit(_ value: Double) -> Double { max(-1, min(1, value)) }

/// The remainder in `0..<period`, for negative values too.
func wrap(_ value: Double, _ period: Double) -> Double {
    let remainder = value.truncatingRemainder(dividingBy: period)
    return remainder < 0 ? remainder + period : remainder
}

/// 0 up to `low`, 1 from `high` on, and `3t^2 - 2t^3` between.
func smoothstep(_ low: Double, _ high: Double, _ value: Double) -> Double {
    let t = unit((value - low) / (high - low))
    return t * t * (3 - 2 * t)
}

/// `low` at 0, `high` at 1.
func mix(_ low: Double, _ high: Double, _ amount: Double) -> Double { low + (high - low) * amount }
