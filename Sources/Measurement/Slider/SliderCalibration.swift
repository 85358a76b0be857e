/// The scale of one standard effect, and the range in which a slider does what it says.
///
///     unit = the scale whose effect is 0.25 of the target's range
///
/// A first fit reads the unit off the curve of the scales measured; then the unit itself is measured and joins the curve,
/// until its effect is within `tolerance`. The range reaches, in units, as far on each side as the effect still grows and
/// the picture has not fallen apart: the drift of features stays below `driftLimit`.
public struct SliderCalibration: Sendable, Codable, Equatable {
    public static let standardEffect = 0.25
    /// How far the effect of one unit may be off, of the standard effect.
    public static let tolerance = 0.04
    public static let driftLimit = 1.2

    public var unit: Double
    /// In units: -2 to 2 where all was measured and held.
    public var range: [Double]
    /// The effects measured, by raw scale, in rising order; 0 is among them.
    public var scales: [Double]
    public var effects: [Double]
    public var drift: [Double]

    /// How far off the effect of the unit is, where it was measured.
    public var error: Double? {
        scales.firstIndex(of: unit).map { abs(effects[$0] - Self.standardEffect) / Self.standardEffect }
    }

    /// The scale measured whose effect is nearest to the standard one, and how far off that is; nil where none is above 0.
    public var nearest: (scale: Double, error: Double)? { Self.nearest(scales, effects) }

    private static func nearest(_ scales: [Double], _ effects: [Double]) -> (scale: Double, error: Double)? {
        zip(scales, effects).filter { $0.0 > 0 }
            .map { (scale: $0.0, error: abs($0.1 - standardEffect) / standardEffect) }
            .min { $0.error < $1.error }
    }

    public var isExact: Bool { (error ?? 1) <= Self.tolerance }

    /// Pairs of a scale in units and its effect.
    public var curve: [[Double]] { zip(scales, effects).map { [$0 / unit, $1] } }

    /// - Parameter report: over raw scales on both sides of 0.
    /// - Throws: `MeasurementError` when no scale measured reaches the standard effect.
    public init(_ report: SliderReport) throws {
        try self.init(
            zip(report.scales, zip(report.targetRow.changes, report.drift)).map { ($0, $1.0, $1.1) },
            of: "\(report.slider): \(report.target)")
    }

    private init(_ points: [(scale: Double, effect: Double, drift: Double)], of subject: String) throws {
        let points = points.sorted { $0.scale < $1.scale }
        scales = points.map(\.scale)
        effects = points.map(\.effect)
        drift = points.map(\.drift)
        // The first crossing of the standard effect on the positive side, on a line between two scales.
        let rising = [(0.0, 0.0)] + points.filter { $0.scale > 0 }.map { ($0.scale, $0.effect) }
        let crossing = zip(rising, rising.dropFirst()).first { $1.1 >= Self.standardEffect }
        guard let (a, b) = crossing, b.1 > a.1 else {
            throw MeasurementError(
                subject,
                expected: "an effect of \(Self.standardEffect) of the range at some scale up to \(scales.last ?? 0)",
                found: "at most \(effects.max() ?? 0)")
        }
        let fitted = a.0 + (b.0 - a.0) * (Self.standardEffect - a.1) / (b.1 - a.1)
        // A scale that was measured and is near enough is the unit.
        let near = Self.nearest(scales, effects).flatMap { $0.error <= Self.tolerance ? $0.scale : nil }
        let unit = near ?? fitted
        self.unit = unit
        func reach(_ sign: Double) -> Double {
            var last = (scale: 0.0, effect: 0.0)
            for point in points.filter({ $0.scale * sign > 0 }).sorted(by: { abs($0.scale) < abs($1.scale) }) {
                guard point.effect * sign >= last.effect * sign - 0.01, point.drift <= Self.driftLimit else { break }
                last = (point.scale, point.effect)
            }
            return last.scale / unit
        }
        range = [max(reach(-1), -2), min(reach(1), 2)]
    }

    /// Measures the unit until it is exact, at most so many times.
    ///
    /// - Parameter measure: the effect and the drift of a raw scale, over the same pictures.
    public func refined(
        rounds: Int = 4, slider: String = "slider", _ measure: (Double) throws -> (effect: Double, drift: Double)
    ) throws -> SliderCalibration {
        var best = self
        for _ in 0..<rounds where !best.isExact {
            let found = try measure(best.unit)
            let points = zip(best.scales, zip(best.effects, best.drift)).map { ($0, $1.0, $1.1) }
            best = try SliderCalibration(
                points.filter { $0.0 != best.unit } + [(best.unit, found.effect, found.drift)], of: slider)
        }
        return best
    }
}
