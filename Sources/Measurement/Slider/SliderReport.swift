/// What a slider does to pictures, as probes read it: changes against the same picture at scale 0, as shares of each
/// trait's range.
public struct SliderReport: Sendable, Codable, Equatable {
    /// One trait under the slider.
    public struct TraitRow: Sendable, Codable, Equatable {
        public var trait: String
        /// The mean signed change at each scale.
        public var changes: [Double]
        /// The mean size of the change at each scale; for classes the share that flipped.
        public var sizes: [Double]
    }

    public var slider: String
    public var target: String
    public var scales: [Double]
    public var prompts: Int
    public var seeds: Int
    /// The target first.
    public var rows: [TraitRow]
    /// The share of pictures whose target never falls by more than 0.01 of its range from scale to scale.
    public var monotoneShare: Double
    /// The mean perceptual distance to scale 0, at each scale.
    public var perceptual: [Double]
    /// The mean distance of the probe's features to those at scale 0, over their mean length: how far identity drifts.
    public var drift: [Double]

    public var targetRow: TraitRow { rows[0] }

    /// The change of the target at a scale, linear between the scales measured.
    public func effect(at scale: Double) -> Double {
        let points = zip(scales, targetRow.changes).sorted { $0.0 < $1.0 }
        guard let first = points.first, let last = points.last else { return 0 }
        if scale <= first.0 { return first.1 }
        if scale >= last.0 { return last.1 }
        guard let next = points.firstIndex(where: { $0.0 > scale }) else { return last.1 }
        let (a, b) = (points[next - 1], points[next])
        return a.1 + (b.1 - a.1) * (scale - a.0) / (b.0 - a.0)
    }

    /// The size of each other trait's change over the target's, at scale 1.
    public var interference: [(trait: String, share: Double)] {
        guard let one = scales.firstIndex(of: 1) else { return [] }
        let own = max(targetRow.sizes[one], 1e-9)
        return rows.dropFirst().map { ($0.trait, $0.sizes[one] / own) }
    }

    public var meanInterference: Double {
        let all = interference
        return all.reduce(0) { $0 + $1.share } / Double(max(all.count, 1))
    }

    public var worstInterference: (trait: String, share: Double) {
        interference.max { $0.share < $1.share } ?? ("none", 0)
    }

    /// A table of the traits at each scale.
    public var markdown: String {
        func number(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
        var lines = [
            "| measure | asked | measured |", "|---|---|---|",
            "| \(target) never falls, \(prompts) prompts x \(seeds) seeds | 95 % | "
                + "\((monotoneShare * 1000).rounded() / 10) % |",
            "| effect of scale 1 on \(target), of its range | 0.25 | \(number(effect(at: 1))) |",
            "| interference, mean | at most 0.15 | \(number(meanInterference)) |",
            "| interference, worst (\(worstInterference.trait)) | at most 0.3 | \(number(worstInterference.share)) |",
            "", "| trait | " + scales.map(number).joined(separator: " | ") + " |",
            "|---|" + scales.map { _ in "---|" }.joined(),
        ]
        for row in rows {
            lines.append("| \(row.trait) | " + row.changes.map(number).joined(separator: " | ") + " |")
        }
        lines.append("| perceptual distance | " + perceptual.map(number).joined(separator: " | ") + " |")
        lines.append("| drift of features | " + drift.map(number).joined(separator: " | ") + " |")
        return lines.joined(separator: "\n") + "\n"
    }
}
