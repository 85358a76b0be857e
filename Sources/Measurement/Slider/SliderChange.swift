public import Imaging
import World

/// What changed from some pictures to others, in the mean: of the target, of every other trait, and as a whole.
public struct SliderChange: Sendable, Codable, Equatable {
    public struct Row: Sendable, Codable, Equatable {
        public var trait: String
        /// The mean change with its sign, of the trait's range.
        public var change: Double
        /// The mean size of the change; of classes, the share of the probability that moved.
        public var size: Double
        /// The share of the pictures that show the trait, before and after; the means are over those.
        public var shown: Double
    }

    /// The target first.
    public var rows: [Row]
    public var perceptual: Double
    /// The mean distance of what the probe's features say beside the target, over their length.
    public var drift: Double

    public init(rows: [Row], perceptual: Double, drift: Double) {
        self.rows = rows
        self.perceptual = perceptual
        self.drift = drift
    }

    /// The change of the target.
    public var effect: Double { rows[0].change }

    /// A trait that fewer of the pictures show than this is left out of interference: so few say nothing of it.
    public static let leastShown = 0.05

    /// The size of each other trait's change over the target's.
    public var interference: [(trait: String, share: Double)] {
        let own = max(rows[0].size, 1e-9)
        return rows.dropFirst().filter { $0.shown >= Self.leastShown }.map { ($0.trait, $0.size / own) }
    }

    public var meanInterference: Double {
        let all = interference
        return all.reduce(0) { $0 + $1.share } / Double(max(all.count, 1))
    }

    public var worstInterference: (trait: String, share: Double) {
        interference.max { $0.share < $1.share } ?? ("none", 0)
    }

    /// The traits that too few pictures show.
    public var unseen: [String] { rows.dropFirst().filter { $0.shown < Self.leastShown }.map(\.trait) }
}

extension SliderGauge {
    /// Pictures with what was read from them.
    public struct Read: Sendable {
        var pictures: [Image]
        var readings: [Reading]
    }

    public func readings(of pictures: [Image]) throws -> Read { Read(pictures: pictures, readings: try read(pictures)) }

    /// What changed between pictures of the same prompts and seeds.
    public func change(from base: Read, to other: Read) -> SliderChange {
        let count = Double(max(base.readings.count, 1))
        let rows = columns.indices.map { column -> SliderChange.Row in
            let changes = zip(base.readings, other.readings).compactMap { change(column, from: $0, to: $1) }
            let seen = Double(max(changes.count, 1))
            return .init(
                trait: traits[column].name, change: changes.reduce(0) { $0 + $1.signed } / seen,
                size: changes.reduce(0) { $0 + $1.size } / seen, shown: Double(changes.count) / count)
        }
        let isSame = base.pictures == other.pictures
        return SliderChange(
            rows: rows,
            perceptual: isSame
                ? 0 : probe.perceptualDistances(other.pictures, base.pictures).reduce(0, +) / count,
            drift: zip(base.readings, other.readings).reduce(0) { $0 + drift(from: $1.0, to: $1.1) } / count)
    }
}
