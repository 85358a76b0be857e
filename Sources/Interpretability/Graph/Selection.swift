/// Which part of an axis of a site's value is read or written.
///
/// Axes have the names of their meaning: `token` (of queries in attention), `head`, `key`, `channel`; or a number, which
/// counts without the axis of prompts.
public struct AxisSelection: Codable, Sendable, Hashable {
    public var axis: String
    /// The first place; negative numbers count from the end.
    public var start: Int
    /// How many places; nil for all up to the end.
    public var count: Int?
    /// Whether the axis disappears, which needs a `count` of 1.
    public var drops: Bool

    public init(axis: String, start: Int, count: Int?, drops: Bool = false) {
        self.axis = axis
        self.start = start
        self.count = count
        self.drops = drops
    }

    /// One place of an axis, which disappears.
    public static func at(_ index: Int, axis: String) -> Self {
        Self(axis: axis, start: index, count: 1, drops: true)
    }

    /// Neighbouring places of an axis.
    public static func places(_ range: Range<Int>, axis: String) -> Self {
        Self(axis: axis, start: range.lowerBound, count: range.count)
    }
}

/// In which steps of a generation a node acts. Step 0 reads the prompt; each further one reads a new token.
public struct StepSelection: Codable, Sendable, Hashable {
    public var from: Int
    /// The step after the last; nil for all that follow.
    public var to: Int?

    public init(from: Int, to: Int?) {
        self.from = from
        self.to = to
    }

    public static let each = StepSelection(from: 0, to: nil)
    public static let first = StepSelection.only(0)
    public static func only(_ step: Int) -> Self { Self(from: step, to: step + 1) }
    public static func range(_ steps: Range<Int>) -> Self { Self(from: steps.lowerBound, to: steps.upperBound) }

    public func contains(_ step: Int) -> Bool { step >= from && step < (to ?? .max) }
    /// Whether there may be more steps than one.
    public var isMany: Bool { to.map { $0 - from > 1 } ?? true }
}

/// A selection whose axes and places are numbers.
struct Box: Sendable, Hashable {
    struct Side: Sendable, Hashable {
        var axis: Int
        var start: Int
        var count: Int
        var drops: Bool
    }
    /// In the order of axes.
    var sides: [Side]

    /// The shape of what is selected from `shape`.
    func shape(of shape: [Int]) -> [Int] {
        var result: [Int] = []
        for (axis, size) in shape.enumerated() {
            guard let side = sides.first(where: { $0.axis == axis }) else {
                result.append(size)
                continue
            }
            if !side.drops { result.append(side.count) }
        }
        return result
    }
}
