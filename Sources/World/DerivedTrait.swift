#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A number from 0 to 1 that is made of a trait on a circle, so that it can rise and fall: what a slider of the time of
/// day or of the season moves.
///
///     value = (1 + cos(2π · (position - top) / period)) / 2
///
/// It is 1 at the top of the circle and 0 opposite to it.
public struct DerivedTrait: Sendable, Hashable {
    public let name: String
    /// The trait that it is made of.
    public let source: String
    public let period: Double
    /// Where on the circle it is 1.
    public let top: Double

    public func value(_ position: Double) -> Double { (1 + cos(2 * .pi * (position - top) / period)) / 2 }

    /// The position with a value, on the rising half: from opposite the top up to it.
    public func position(of value: Double) -> Double {
        let turns = acos(min(max(2 * value - 1, -1), 1)) / (2 * .pi)
        let position = top - turns * period
        return position < 0 ? position + period : position
    }

    public var trait: Trait { Trait(name: name, kind: .number(low: 0, high: 1)) }

    /// - `nightfall`: 0 at noon, 1 at midnight.
    /// - `leaf_warmth`: 0 in the middle of spring, 1 in that of autumn.
    public static let all = [
        DerivedTrait(name: "nightfall", source: "hour_of_day", period: 24, top: 0),
        DerivedTrait(name: "leaf_warmth", source: "season", period: 4, top: 3),
    ]
}
