import TensorCore
public import Imaging
public import World

/// What a slider is measured by: the trait that it is to move, every other one, and the probe that reads them.
///
/// The target is a number, a position on a circle, the chance of the second of two classes, or a `DerivedTrait`, which
/// takes its source's place. What one trait says already does not count twice: clear and cloudy weather differ by
/// `cloud_cover` and are one class here; grey and white hair differ from natural colours by `hair_grey`, so a hair colour
/// is compared only where it is a natural one.
public struct SliderGauge: Sendable {
    /// A trait as it is compared.
    struct Column: Sendable {
        let trait: Trait
        /// In the probe's answers.
        let place: Int
        var derived: DerivedTrait?
        /// Classes whose probabilities count together; those that are in no group are left out.
        var groups: [[Int]] = []
        /// Whether the chance of the last class is the value.
        var isChance = false
    }

    public let family: SceneFamily
    let probe: Probe
    /// The target first.
    let columns: [Column]
    /// What the target is read along in the features, orthonormal.
    private let directions: [[Double]]

    public var target: Trait { columns[0].trait }
    public var traits: [Trait] { columns.map(\.trait) }

    /// - Throws: `MeasurementError` for a name that no probe reads, and for a choice of more than two classes.
    public init(_ name: String, probes: ProbePair) throws {
        let derived = DerivedTrait.all.first { $0.name == name }
        let source = derived?.source ?? name
        guard let family = SceneFamily.allCases.first(where: { probes[$0].index(of: source) != nil }),
            let place = probes[family].index(of: source)
        else {
            let known = SceneFamily.allCases.flatMap { probes[$0].traits.map(\.name) } + DerivedTrait.all.map(\.name)
            throw MeasurementError("trait", expected: "one of \(known.joined(separator: ", "))", found: name)
        }
        self.family = family
        probe = probes[family]
        var target = Column(trait: derived?.trait ?? probe.traits[place], place: place, derived: derived)
        if case .choice(let classes) = target.trait.kind {
            guard classes.count == 2 else {
                throw MeasurementError("trait", expected: "a trait that can rise and fall", found: "\(name), a choice")
            }
            target = Column(
                trait: Trait(name: name, kind: .number(low: 0, high: 1)), place: place, isChance: true)
        }
        columns =
            [target]
            + probe.traits.enumerated().filter { $0.offset != place }.map {
                Column(trait: $1, place: $0, groups: Self.groups(of: $1))
            }
        directions = Self.orthonormal(probe.network.directions(of: place))
    }

    private static func groups(of trait: Trait) -> [[Int]] {
        guard case .choice(let classes) = trait.kind else { return [] }
        func indices(_ names: [String]) -> [Int] { names.compactMap(classes.firstIndex(of:)) }
        switch trait.name {
        case "weather": return [indices(["clear", "cloud"])] + indices(["rain", "snow", "fog"]).map { [$0] }
        case "hair_color": return classes.indices.filter { !["grey", "white"].contains(classes[$0]) }.map { [$0] }
        default: return classes.indices.map { [$0] }
        }
    }

    /// Gram and Schmidt over rows.
    private static func orthonormal(_ rows: Tensor) -> [[Double]] {
        let width = rows.size(1)
        let numbers = rows.floats.map(Double.init)
        var done: [[Double]] = []
        for row in 0..<rows.size(0) {
            var vector = Array(numbers[row * width..<(row + 1) * width])
            for other in done {
                let share = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
                vector = zip(vector, other).map { $0 - share * $1 }
            }
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            if length > 1e-9 { done.append(vector.map { $0 / length }) }
        }
        return done
    }

    /// What a slider of this name is to move, where neither its file nor the user says so.
    public static func trait(ofSlider name: String) -> String {
        let spelled = name.replacing("-", with: "_")
        let known = [
            "clouds": "cloud_cover", "weather": "cloud_cover", "time_of_day": "nightfall", "season": "leaf_warmth",
        ]
        return known[spelled] ?? spelled
    }

    /// What the probe reads from one picture, column by column.
    public struct Reading: Sendable, Equatable {
        var values: [Double]
        var chances: [[Double]]
        var isShown: [Bool]
        /// Without what the target is read along.
        var features: [Double]
    }

    public func read(_ pictures: [Image]) throws -> [Reading] { try probe.read(pictures).map(reading) }

    func reading(_ answer: Probe.Answer) -> Reading {
        let shown = Scene.shownTraits(of: family, values: answer.values)
        var reading = Reading(values: [], chances: [], isShown: [], features: answer.features.map(Double.init))
        for column in columns {
            let raw = answer.values[column.place]
            let chances = answer.chances[column.place]
            reading.values.append(
                column.isChance ? chances.last ?? 0 : column.derived.map { $0.value(raw) } ?? raw)
            var isShown = shown[column.place]
            let masses = column.groups.map { $0.reduce(0) { $0 + chances[$1] } }
            let total = masses.reduce(0, +)
            // More than half of the mass lies in classes that are not compared: there is nothing to compare.
            if !column.groups.isEmpty, total < 0.5 { isShown = false }
            reading.chances.append(masses.map { $0 / max(total, 1e-12) })
            reading.isShown.append(isShown)
        }
        for direction in directions {
            let share = zip(reading.features, direction).reduce(0) { $0 + $1.0 * $1.1 }
            reading.features = zip(reading.features, direction).map { $0 - share * $1 }
        }
        return reading
    }

    /// The change of a column as a share of its range; of classes, the share of the probability that moved:
    ///
    ///     |p - q| = ½ · sum over classes |p_i - q_i|
    ///
    /// - Returns: the change with its sign and its size; nil where one of the pictures does not show the trait.
    func change(_ column: Int, from base: Reading, to other: Reading) -> (signed: Double, size: Double)? {
        guard base.isShown[column], other.isShown[column] else { return nil }
        if !columns[column].groups.isEmpty {
            let moved = zip(base.chances[column], other.chances[column]).reduce(0) { $0 + abs($1.0 - $1.1) } / 2
            return (moved, moved)
        }
        let signed = traits[column].signedChange(from: base.values[column], to: other.values[column])
        return (signed, abs(signed))
    }

    /// The distance of what the features say beside the target, over the length of the first.
    func drift(from base: Reading, to other: Reading) -> Double {
        let gap = zip(base.features, other.features).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let length = base.features.reduce(0) { $0 + $1 * $1 }
        return (gap / max(length, 1e-12)).squareRoot()
    }
}

extension Trait {
    /// The change of a value as a share of the range, the short way round on a circle; 1 for another class.
    func signedChange(from base: Double, to value: Double) -> Double {
        switch kind {
        case .number(let low, let high): return (value - base) / (high - low)
        case .circle(let period):
            let gap = ((value - base) / period).truncatingRemainder(dividingBy: 1)
            return gap > 0.5 ? gap - 1 : gap < -0.5 ? gap + 1 : gap
        case .choice: return value == base ? 0 : 1
        }
    }
}
