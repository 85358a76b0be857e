/// The scale of one standard effect, and the range in which a slider does what it says.
///
///     unit = the scale whose effect is 0.25 of the target's range
///
/// The range reaches, in units, as far on each side as the effect still grows and the picture has not fallen apart: the
/// drift of features stays below `driftLimit`.
public struct SliderCalibration: Sendable, Codable, Equatable {
    public static let standardEffect = 0.25
    public static let driftLimit = 1.2

    public var unit: Double
    /// In units: -2 to 2 where all was measured and held.
    public var range: [Double]
    /// The effects measured, by raw scale.
    public var scales: [Double]
    public var effects: [Double]

    /// - Parameter report: over raw scales on both sides of 0.
    /// - Throws: `MeasurementError` when no scale measured reaches the standard effect.
    public init(_ report: SliderReport) throws {
        scales = report.scales
        effects = report.targetRow.changes
        let top = scales.max() ?? 0
        var found: Double?
        // The curve is read in small steps: the first scale that reaches the effect.
        for step in 1...1000 where found == nil {
            let scale = top * Double(step) / 1000
            if report.effect(at: scale) >= Self.standardEffect { found = scale }
        }
        guard let unit = found, unit > 0 else {
            throw MeasurementError(
                report.slider,
                expected:
                    "an effect of \(Self.standardEffect) of the range of \(report.target) at some scale up to \(top)",
                found: "at most \(report.targetRow.changes.max() ?? 0)")
        }
        self.unit = unit
        func reach(_ sign: Double) -> Double {
            var last = (scale: 0.0, effect: 0.0)
            let side = zip(report.scales, zip(report.targetRow.changes, report.drift))
                .filter { $0.0 * sign > 0 }.sorted { abs($0.0) < abs($1.0) }
            for (scale, (effect, drift)) in side {
                guard effect * sign >= last.effect * sign - 0.01, drift <= Self.driftLimit else { break }
                last = (scale, effect)
            }
            return last.scale / unit
        }
        range = [max(reach(-1), -2), min(reach(1), 2)]
    }
}
