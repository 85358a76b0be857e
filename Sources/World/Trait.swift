/// The two kinds of pictures in the world.
public enum SceneFamily: String, Sendable, Hashable, Codable, CaseIterable { case portrait, landscape }

/// What can be measured of a picture of one family.
public struct Trait: Sendable, Hashable, Codable {
    public enum Kind: Sendable, Hashable, Codable {
        /// A number between two ends.
        case number(low: Double, high: Double)
        /// A number on a circle, 0 ..< period.
        case circle(period: Double)
        /// One of some classes.
        case choice([String])
    }

    public let name: String
    public let kind: Kind

    public init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }

    /// Outputs of a network that reads the trait: a number, a point of the plane, or one logit a class.
    public var width: Int {
        switch kind {
        case .number: 1
        case .circle: 2
        case .choice(let classes): classes.count
        }
    }

    /// How far apart two numbers are, as a share of the trait's range: 0 to 1 (on a circle at most 0.5).
    public func distance(_ a: Double, _ b: Double) -> Double {
        switch kind {
        case .number(let low, let high): return abs(a - b) / (high - low)
        case .circle(let period):
            let gap = wrap(a - b, period) / period
            return min(gap, 1 - gap)
        case .choice: return a == b ? 0 : 1
        }
    }
}

extension Scene {
    public var family: SceneFamily {
        switch self {
        case .portrait: .portrait
        case .landscape: .landscape
        }
    }

    /// The true value of each trait of the scene's family, in the order of `traits(of:)`: a number, or the index of a
    /// class. Nil where the picture does not show it, or where it lies between two classes.
    public var traitValues: [Double?] {
        switch self {
        case .portrait(let portrait): Portrait.measures.map { $0.value(portrait) }
        case .landscape(let landscape): Landscape.measures.map { $0.value(landscape) }
        }
    }

    /// Every trait of a family, in a fixed order.
    public static func traits(of family: SceneFamily) -> [Trait] {
        switch family {
        case .portrait: Portrait.measures.map(\.trait)
        case .landscape: Landscape.measures.map(\.trait)
        }
    }
}

/// A trait with the way to read it from the description.
struct Measure<Subject: Sendable>: Sendable {
    let trait: Trait
    /// Whether the picture shows it.
    let isShown: @Sendable (Subject) -> Bool
    private let read: @Sendable (Subject) -> Double?

    /// Nil where the picture does not show the trait, or where it lies between two classes.
    func value(_ subject: Subject) -> Double? { isShown(subject) ? read(subject) : nil }

    static func number(
        _ name: String, _ range: ClosedRange<Double>,
        where isShown: @escaping @Sendable (Subject) -> Bool = { _ in true },
        _ value: @escaping @Sendable (Subject) -> Double?
    ) -> Self {
        Self(
            trait: Trait(name: name, kind: .number(low: range.lowerBound, high: range.upperBound)), isShown: isShown,
            read: { subject in value(subject).map { min(max($0, range.lowerBound), range.upperBound) } })
    }

    static func circle(
        _ name: String, period: Double, where isShown: @escaping @Sendable (Subject) -> Bool = { _ in true },
        _ value: @escaping @Sendable (Subject) -> Double?
    ) -> Self {
        Self(
            trait: Trait(name: name, kind: .circle(period: period)), isShown: isShown,
            read: { subject in value(subject).map { wrap($0, period) } })
    }

    /// The class that captions give an attribute.
    static func label(
        _ name: String, _ classes: [String], where isShown: @escaping @Sendable (Subject) -> Bool = { _ in true },
        _ label: @escaping @Sendable (Subject) -> String?
    ) -> Self {
        Self(
            trait: Trait(name: name, kind: .choice(classes)), isShown: isShown,
            read: { subject in label(subject).flatMap(classes.firstIndex(of:)).map(Double.init) })
    }
}
