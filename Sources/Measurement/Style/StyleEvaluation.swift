public import Drawing
public import Imaging
public import World

/// Measures ways of drawing in a style of the world, where the truth is known: the world's own renderer restyles any
/// plain picture.
///
///     to style = d(picture, restyled(plain)),   to content = d(picture, plain)
///
/// Follows the protocol of Pair Customization (arXiv 2405.01536, section 4), with the area under its Pareto curve.
public struct StyleEvaluation: Sendable {
    /// Distances between the pictures of two lists, one a pair.
    public typealias Distance = (_ a: [Image], _ b: [Image]) -> [Double]

    /// A way of drawing, at several strengths above 0.
    public struct Arm: Sendable {
        public var name: String
        public var strengths: [Double]

        public init(_ name: String, _ strengths: [Double]) {
            self.name = name
            self.strengths = strengths
        }
    }

    public struct Result: Sendable {
        public var report: StyleReport
        /// One prompt a row: plain, true, and each arm at its middle strength.
        public var rows: [(prompt: String, pictures: [Image])]
        public var titles: [String]
    }

    public var seed: UInt64 = 9_127
    public var prompts = 100
    public var seeds = 2
    public var resamplings = 1000

    public init() {}

    /// Captions of scenes that no training saw, each with every seed.
    public func orders() -> [PictureOrder] {
        let sampler = SceneSampler(seed: seed, holdingOut: true)
        return (0..<prompts).flatMap { index -> [PictureOrder] in
            let text = CaptionGrammar.caption(for: sampler.sample(index: index), variation: UInt64(index)).text
            return (0..<seeds).map { PictureOrder(prompt: text, seed: UInt64(index * seeds + $0)) }
        }
    }

    /// - Parameters:
    ///   - arms: the first is the one that the others are compared with.
    ///   - distance: between pictures and what they show.
    ///   - styleDistance: to the true style; `distance` when nil.
    ///   - plain: draws without the style.
    ///   - draw: draws one arm at one strength; gets the plain pictures, too.
    public func run(
        style: SceneStyle, arms: [Arm], metric: String, distance: @escaping Distance, styleDistance: Distance? = nil,
        plain: ([PictureOrder]) throws -> [Image],
        draw: (_ arm: Int, _ strength: Double, _ orders: [PictureOrder], _ plain: [Image]) throws -> [Image]
    ) throws -> Result {
        let orders = orders()
        let base = try plain(orders)
        let truth = base.map { restyled($0, style: style, size: $0.width) }
        let styleDistance = styleDistance ?? distance
        let start = Sample(toStyle: styleDistance(base, truth), toContent: base.map { _ in 0 })
        var samples: [[Sample]] = []
        var points: [[StyleReport.Point]] = []
        var shown: [[Image]] = [base, truth]
        for (number, arm) in arms.enumerated() {
            samples.append([start])
            points.append([])
            for (place, strength) in arm.strengths.enumerated() {
                let pictures = try draw(number, strength, orders, base)
                let sample = Sample(toStyle: styleDistance(pictures, truth), toContent: distance(pictures, base))
                samples[number].append(sample)
                points[number].append(
                    sample.point(strength: strength, diversity: diversity(pictures, distance)))
                if place == arm.strengths.count / 2 { shown.append(pictures) }
            }
        }
        let curve = ParetoCurves(samples: samples, seeds: seeds)
        let whole = curve.areas(prompts: Array(0..<prompts))
        let spread = curve.bootstrap(resamplings, prompts: prompts, seed: seed)
        let report = StyleReport(
            style: style.rawValue, prompts: prompts, seeds: seeds, metric: metric,
            base: start.point(strength: 0, diversity: diversity(base, distance)), commonRange: curve.commonRange,
            arms: arms.indices.map { number in
                .init(
                    name: arms[number].name, points: points[number], area: whole[number],
                    excess: whole[number] - whole[0], interval: spread[number])
            })
        let rows = stride(from: 0, to: orders.count, by: max(seeds, 1)).prefix(8).map { index in
            (prompt: orders[index].prompt, pictures: shown.map { $0[index] })
        }
        let titles = ["plain", "true"] + arms.map { "\($0.name) \($0.strengths[$0.strengths.count / 2])" }
        return Result(report: report, rows: Array(rows), titles: titles)
    }

    /// The mean distance between pictures of one prompt; 0 with one seed.
    private func diversity(_ pictures: [Image], _ distance: Distance) -> Double {
        guard seeds > 1 else { return 0 }
        let pairs = (0..<prompts).flatMap { prompt in
            (1..<seeds).map { (prompt * seeds, prompt * seeds + $0) }
        }
        return mean(distance(pairs.map { pictures[$0.0] }, pairs.map { pictures[$0.1] }))
    }

    /// The distances of every picture of one arm at one strength.
    struct Sample: Sendable {
        let toStyle: [Double]
        let toContent: [Double]

        func point(strength: Double, diversity: Double) -> StyleReport.Point {
            .init(strength: strength, toStyle: mean(toStyle), toContent: mean(toContent), diversity: diversity)
        }
    }
}

extension StyleEvaluation.Result {
    /// Every arm's curve from the plain pictures on.
    public func plot() -> LinePlot {
        LinePlot(
            report.arms.map { arm in
                let points = [report.base] + arm.points
                return LinePlot.Series(
                    arm.name, points.map { (x: $0.toContent, y: $0.toStyle) }.sorted { $0.x < $1.x })
            }, title: "\(report.style): lower and further left is better", xLabel: "distance to the content",
            yLabel: "distance to the true style")
    }

    public func sheet() -> ContactSheet {
        ContactSheet(
            rows: rows.map { row in row.pictures.map { .init($0) } }, title: report.style, columnTitles: titles,
            rowTitles: rows.map(\.prompt), pictureSize: 128)
    }
}

func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }
