public import Imaging
public import World

/// How well a probe reads pictures whose scenes are known.
public struct ProbeReport: Sendable, Codable, Equatable {
    /// One trait's result.
    public struct Row: Sendable, Codable, Equatable {
        public var trait: String
        /// The mean absolute error as a share of the range; nil for classes.
        public var error: Double?
        /// The share of right classes; nil for numbers.
        public var accuracy: Double?
        /// Pictures that show the trait.
        public var count: Int
    }

    public var rows: [Row]
    public var pictures: Int

    /// Reads pictures of the probe's family.
    public init(_ probe: Probe, pictures: [Image], scenes: [Scene]) throws {
        let answers = try probe.read(pictures)
        let truths = scenes.map(\.traitValues)
        rows = probe.traits.enumerated().map { index, trait in
            let distances = zip(answers, truths).compactMap { answer, truth in
                truth[index].map { trait.distance(answer.values[index], $0) }
            }
            let mean = distances.reduce(0, +) / Double(max(distances.count, 1))
            if case .choice = trait.kind {
                return Row(trait: trait.name, error: nil, accuracy: 1 - mean, count: distances.count)
            }
            return Row(trait: trait.name, error: mean, accuracy: nil, count: distances.count)
        }
        self.pictures = pictures.count
    }

    /// The largest mean error of a number.
    public var worstError: Double { rows.compactMap(\.error).max() ?? 0 }

    /// The smallest accuracy of a choice.
    public var worstAccuracy: Double { rows.compactMap(\.accuracy).min() ?? 1 }
}
