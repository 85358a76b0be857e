/// How ways of drawing in a style trade the style against the picture, as distances from the truth.
public struct StyleReport: Sendable, Codable, Equatable {
    /// One way at one strength.
    public struct Point: Sendable, Codable, Equatable {
        public var strength: Double
        /// The mean distance to the same picture in the true style.
        public var toStyle: Double
        /// The mean distance to the same picture without the style.
        public var toContent: Double
        /// The mean distance between pictures of one prompt.
        public var diversity: Double
    }

    /// One way of drawing at several strengths.
    public struct Arm: Sendable, Codable, Equatable {
        public var name: String
        public var points: [Point]
        /// The area under the distance to the style over the distance to the content, within the common range.
        public var area: Double
        /// This area less the first arm's, and the interval that holds 95 % of its bootstrap.
        public var excess: Double
        public var interval: [Double]
    }

    public var style: String
    public var prompts: Int
    public var seeds: Int
    public var metric: String
    /// Of the plain pictures, where every arm begins.
    public var base: Point
    /// Distances to the content up to here are reached by every arm.
    public var commonRange: Double
    public var arms: [Arm]

    public var markdown: String {
        func number(_ value: Double) -> String { "\((value * 10_000).rounded() / 10_000)" }
        var lines = [
            "\(prompts) prompts x \(seeds) seeds, \(metric); lower is better in the first two columns", "",
            "| way | strength | to the true style | to the content | diversity |", "|---|---|---|---|---|",
            "| plain | 0 | \(number(base.toStyle)) | 0 | \(number(base.diversity)) |",
        ]
        for arm in arms {
            for point in arm.points {
                lines.append(
                    "| \(arm.name) | \(point.strength) | \(number(point.toStyle)) | \(number(point.toContent)) | "
                        + "\(number(point.diversity)) |")
            }
        }
        lines += [
            "", "| way | area up to \(number(commonRange)) | more than the first, 95 % interval |", "|---|---|---|",
        ]
        for arm in arms {
            lines.append(
                "| \(arm.name) | \(number(arm.area)) | \(number(arm.excess)) "
                    + "(\(arm.interval.map(number).joined(separator: " to "))) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
