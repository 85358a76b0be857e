import Adapters
import Layers

/// When an adapter of a stack acts: from a start on, within a window, along a curve.
public struct StackSchedule: Codable, Sendable, Hashable {
    /// The share of the training timesteps at which it starts: it acts once `t <= start * T`. Concept Sliders'
    /// `start_noise` 800 is 0.8.
    public var start: Double?
    /// What `from`, `to` and `curve` are measured in: timestep, fraction (of the steps done) or sigma.
    public var axis: String?
    public var from: Double?
    public var to: Double?
    /// Corners `[position, factor]`, straight lines between them.
    public var curve: [[Double]]?

    public init(
        start: Double? = nil, axis: String? = nil, from: Double? = nil, to: Double? = nil, curve: [[Double]]? = nil
    ) {
        self.start = start
        self.axis = axis
        self.from = from
        self.to = to
        self.curve = curve
    }

    /// - Parameter timesteps: that the model was trained with.
    /// - Throws: `GenerationError` for what makes no sense together.
    func schedule(timesteps: Int, of name: String) throws -> Schedule {
        let axisName = axis ?? "timestep"
        guard let kind = Schedule.Axis(rawValue: axisName) else {
            throw GenerationError(
                "\(name): axis", expected: "one of \(Schedule.Axis.allCases.map(\.rawValue).joined(separator: ", "))",
                found: axisName)
        }
        if let start {
            guard (0...1).contains(start) else {
                throw GenerationError("\(name): start", expected: "0 to 1", found: "\(start)")
            }
            guard from == nil, to == nil, curve == nil else {
                throw GenerationError("\(name): start", expected: "no window and no curve beside it", found: "one")
            }
            guard kind == .timestep else {
                throw GenerationError(
                    "\(name): start",
                    expected: "no axis of \(axisName) beside it, as a start is a share of the training timesteps "
                        + "(a window of \(axisName) has `from` and `to`)", found: "\(start)")
            }
            return .starting(atNoise: start * Double(timesteps))
        }
        guard axis == nil || from != nil || to != nil || curve != nil else {
            throw GenerationError("\(name): axis", expected: "`from`, `to` or a `curve` beside it", found: "none")
        }
        let points = try (curve ?? []).map { point in
            guard point.count == 2, point.allSatisfy(\.isFinite) else {
                throw GenerationError("\(name): curve", expected: "corners [position, factor]", found: "\(point)")
            }
            return Schedule.Point(point[0], point[1])
        }
        if curve?.isEmpty ?? false {
            throw GenerationError("\(name): curve", expected: "corners [position, factor]", found: "none")
        }
        var schedule = Schedule(kind, points: points)
        if from != nil || to != nil {
            let (low, high) = (from ?? -.greatestFiniteMagnitude, to ?? .greatestFiniteMagnitude)
            guard low <= high else {
                throw GenerationError("\(name): from", expected: "at most `to` (\(high))", found: "\(low)")
            }
            schedule.window = low...high
        }
        try schedule.checkActs(timesteps: timesteps, name)
        return schedule
    }
}

extension Schedule {
    /// Refuses a window that no run comes through, and a curve that is 0 wherever one comes.
    fileprivate func checkActs(timesteps: Int, _ name: String) throws {
        let run: ClosedRange<Double>
        switch axis {
        case .timestep: run = 0...Double(timesteps - 1)
        // The share of the steps that are done before one: never all of them.
        case .fraction: run = 0...1.0.nextDown
        case .sigma: run = 0 ... .greatestFiniteMagnitude
        }
        let (low, high) = (
            max(run.lowerBound, window?.lowerBound ?? run.lowerBound),
            min(run.upperBound, window?.upperBound ?? run.upperBound)
        )
        let words =
            switch axis {
            case .timestep: "timesteps from 0 to \(timesteps - 1)"
            case .fraction: "shares of the steps from 0 to below 1"
            case .sigma: "sigmas from 0 on"
            }
        guard low <= high else {
            throw GenerationError(
                "\(name): from, to", expected: "a window in which a run is at some time (\(words))",
                found: "\(window?.lowerBound ?? low) to \(window?.upperBound ?? high), in which the slider never acts")
        }
        // Between corners the curve is a line, so it is 0 everywhere where it is 0 at the corners and at both ends.
        let positions = [low, high] + points.map(\.position).filter { (low...high).contains($0) }
        let acts = positions.contains { position in
            factor(at: SamplingMoment(timestep: position, fraction: position, sigma: position)) != 0
        }
        guard acts else {
            throw GenerationError(
                "\(name): curve", expected: "a factor other than 0 where a run comes (\(words))",
                found: "0 all the time")
        }
    }
}

/// A factor for the layers whose path contains a text.
public struct StackGain: Codable, Sendable, Hashable {
    /// `mid_block`, `attn1`, `up_blocks.1.`, ...
    public var part: String
    public var gain: Double

    public init(part: String, gain: Double) {
        self.part = part
        self.gain = gain
    }
}

/// The rows of guidance in which an adapter acts.
public enum StackBranch: String, Codable, Sendable, CaseIterable {
    case all, conditional, unconditional

    public init(from decoder: any Decoder) throws { try self.init(wordFrom: decoder) }

    var rows: RowWeights {
        switch self {
        case .all: .all
        // Rows of styles are conditional ones with another adapter.
        case .conditional: RowWeights(roles: [.unconditional: 0])
        case .unconditional: .only([.unconditional])
        }
    }
}
