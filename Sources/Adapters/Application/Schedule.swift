/// How strongly an adapter acts in the course of a denoising run: a factor of its weight.
public struct Schedule: Sendable, Hashable {
    /// What positions are measured in.
    public enum Axis: String, Sendable, Hashable, CaseIterable {
        case timestep, fraction, sigma
    }

    /// A corner of the curve.
    public struct Point: Sendable, Hashable {
        public var position: Double
        public var factor: Double

        public init(_ position: Double, _ factor: Double) {
            self.position = position
            self.factor = factor
        }
    }

    public var axis: Axis
    /// Where the adapter acts at all, ends included; everywhere when nil.
    public var window: ClosedRange<Double>?
    /// Straight lines between corners, constant beyond the outer ones; 1 everywhere when there are none.
    public let points: [Point]

    /// - Parameter points: in any order.
    public init(_ axis: Axis = .timestep, window: ClosedRange<Double>? = nil, points: [Point] = []) {
        self.axis = axis
        self.window = window
        self.points = points.sorted { $0.position < $1.position }
    }

    /// Full strength all the time.
    public static let always = Schedule()

    /// Off while the timestep is above `noise`, on from there on: Concept Sliders' `start_noise`.
    public static func starting(atNoise noise: Double) -> Schedule {
        // Timesteps are not negative, so a start below 0 never comes.
        Schedule(.timestep, window: noise < 0 ? -1 ... -1 : 0...noise)
    }

    /// The same factor at every moment of every run.
    public var isConstant: Bool { window == nil && points.allSatisfy { $0.factor == points[0].factor } }

    /// Where a moment is on the axis; nil for sigma where the sampler has none.
    public func position(at moment: SamplingMoment) -> Double? {
        switch axis {
        case .timestep: moment.timestep
        case .fraction: moment.fraction
        case .sigma: moment.sigma
        }
    }

    /// The factor at a moment. Without a moment there is no run, only a text that is encoded once for the whole of it:
    /// a schedule that changes then counts as 0.
    public func factor(at moment: SamplingMoment?) -> Double {
        if isConstant { return points.first?.factor ?? 1 }
        guard let moment else { return 0 }
        guard let position = position(at: moment) else { return 0 }
        if let window, !window.contains(position) { return 0 }
        guard let first = points.first, let last = points.last else { return 1 }
        if position <= first.position { return first.factor }
        if position >= last.position { return last.factor }
        let next = points.firstIndex { $0.position > position } ?? points.count - 1
        let (a, b) = (points[next - 1], points[next])
        return a.factor + (b.factor - a.factor) * (position - a.position) / (b.position - a.position)
    }
}
