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
            return .starting(atNoise: start * Double(timesteps))
        }
        let points = try (curve ?? []).map { point in
            guard point.count == 2, point.allSatisfy(\.isFinite) else {
                throw GenerationError("\(name): curve", expected: "corners [position, factor]", found: "\(point)")
            }
            return Schedule.Point(point[0], point[1])
        }
        guard from != nil || to != nil else { return Schedule(kind, points: points) }
        let (low, high) = (from ?? 0, to ?? .greatestFiniteMagnitude)
        guard low <= high else {
            throw GenerationError("\(name): from", expected: "at most `to` (\(high))", found: "\(low)")
        }
        return Schedule(kind, window: low...high, points: points)
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

    var rows: RowWeights {
        switch self {
        case .all: .all
        // Rows of styles are conditional ones with another adapter.
        case .conditional: RowWeights(roles: [.unconditional: 0])
        case .unconditional: .only([.unconditional])
        }
    }
}
