public import Imaging
import World

/// Judges a base model by what probes read from its pictures.
///
/// - Held-out captions: every category that a caption names is compared with the probe's answer.
/// - Unseen combinations: the same for captions that name both halves of a combination left out of training.
/// - Order: captions that differ in one word, from the same noise; the probe's value has to rise along the row.
/// - Fréchet distances over the probes' features, to renders B: of the model's pictures, and of autoencoded renders A.
public struct BaseEvaluation: Sendable {
    /// Draws pictures, one an order, in order.
    public typealias Draw = (_ orders: [PictureOrder]) throws -> [Image]
    /// Sends pictures through the model's autoencoder.
    public typealias Autoencode = (_ pictures: [Image]) throws -> [Image]

    public var seed: UInt64 = 99
    public var captions = 256
    public var rowsPerOrder = 64
    public var frechetPictures = 1024
    public var size = 128

    public init() {}

    /// A picture of the report's sheet.
    public struct Shown: Sendable {
        public let picture: Image
        public let caption: String
        public let isRight: Bool
    }

    public struct Result: Sendable {
        public var report: BaseReport
        public var heldOut: [Shown]
        public var unseen: [Shown]
        /// Rows of pictures in the order of an attribute, with its name.
        public var rows: [(attribute: String, pictures: [Shown])]
    }

    /// - Parameters:
    ///   - report: has the model's names and settings; its figures are filled in.
    public func run(
        _ report: BaseReport, probes: ProbePair, draw: Draw, autoencode: Autoencode
    ) throws -> Result {
        var report = report
        let tests = CaptionTests(seed: seed, count: captions, rows: rowsPerOrder)
        let extra = (0..<max(frechetPictures - tests.heldOut.count, 0)).map { index -> PictureOrder in
            let scene = SceneSampler(seed: seed &+ 3, holdingOut: true).sample(index: index)
            let text = CaptionGrammar.caption(for: scene, variation: UInt64(index)).text
            return PictureOrder(prompt: text, seed: UInt64(index) &+ 100_000)
        }
        let ordered = tests.ordered.flatMap { row in
            row.captions.map { PictureOrder(prompt: $0, seed: row.seed) }
        }
        let parts = [tests.heldOut.map(\.order), tests.unseen.map(\.order), ordered, extra]
        let pictures = try draw(parts.flatMap { $0 })
        let readings = try probes.read(pictures)
        var start = 0
        let ranges = parts.map { part in
            defer { start += part.count }
            return start..<start + part.count
        }

        let (heldOut, heldOutMarks) = accuracy(tests.heldOut, Array(readings[ranges[0]]), probes)
        let (unseen, unseenMarks) = accuracy(tests.unseen, Array(readings[ranges[1]]), probes)
        report.heldOut = heldOut
        report.unseen = unseen
        func shown(_ questions: [CaptionTests.Question], _ range: Range<Int>, _ marks: [Bool]) -> [Shown] {
            zip(zip(questions, pictures[range]), marks).map { pair, mark in
                Shown(picture: pair.1, caption: pair.0.caption.text, isRight: mark)
            }
        }
        var rows: [(attribute: String, pictures: [Shown])] = []
        (report.orders, rows) = orders(
            tests.ordered, Array(readings[ranges[2]]), Array(pictures[ranges[2]]), probes)

        let drawn = (Array(ranges[0]) + Array(ranges[3])).prefix(frechetPictures).map { readings[$0].features }
        let sampler = SceneSampler(seed: seed &+ 4, holdingOut: true)
        func renders(_ range: Range<Int>) -> [Image] { range.map { render(sampler.sample(index: $0), size: size) } }
        let a = renders(0..<frechetPictures)
        let b = try FeatureStatistics(try probes.read(renders(frechetPictures..<2 * frechetPictures)).map(\.features))
        let autoencoded = try FeatureStatistics(try probes.read(try autoencode(a)).map(\.features))
        report.frechetDrawn = try FeatureStatistics(Array(drawn)).frechetDistance(to: b)
        report.frechetAutoencoded = try autoencoded.frechetDistance(to: b)
        report.frechetPictures = frechetPictures
        return Result(
            report: report, heldOut: shown(tests.heldOut, ranges[0], heldOutMarks),
            unseen: shown(tests.unseen, ranges[1], unseenMarks), rows: rows)
    }

    /// Compares what captions name with what the probes read; a mark says that a picture has everything right.
    private func accuracy(
        _ questions: [CaptionTests.Question], _ readings: [ProbePair.Reading], _ probes: ProbePair
    ) -> (BaseReport.Accuracy, marks: [Bool]) {
        var accuracy = BaseReport.Accuracy()
        let marks = zip(questions, readings).map { question, reading -> Bool in
            var isRight = true
            func count(_ name: String, _ correct: Bool) {
                accuracy.total += 1
                accuracy.right += correct ? 1 : 0
                accuracy.attributes[name, default: .init()].total += 1
                accuracy.attributes[name, default: .init()].right += correct ? 1 : 0
                isRight = isRight && correct
            }
            for named in question.caption.attributes {
                if named.attribute == .family {
                    count("family", reading.family.rawValue == named.value)
                    continue
                }
                let family = question.scene.family
                guard let trait = named.attribute.categoricalTrait, let index = probes[family].index(of: trait),
                    case .choice(let classes) = probes[family].traits[index].kind,
                    let expected = classes.firstIndex(of: named.value)
                else { continue }
                let isOwn = reading.family == family
                count(trait, isOwn && reading[family].values[index] == Double(expected))
            }
            return isRight
        }
        return (accuracy, marks)
    }

    private func orders(
        _ rows: [OrderedCaptions], _ readings: [ProbePair.Reading], _ pictures: [Image], _ probes: ProbePair
    ) -> ([BaseReport.Order], [(attribute: String, pictures: [Shown])]) {
        var orders: [BaseReport.Order] = []
        var shown: [(attribute: String, pictures: [Shown])] = []
        var start = 0
        for row in rows {
            let range = start..<start + row.captions.count
            start = range.upperBound
            let values = range.compactMap {
                probes.value(of: row.trait, family: row.family, in: readings[$0])
            }
            let rises = zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
            if orders.last?.attribute != row.attribute {
                orders.append(
                    .init(
                        attribute: row.attribute, rising: 0, rows: 0,
                        means: [Double](repeating: 0, count: row.captions.count)))
            }
            let last = orders.count - 1
            orders[last].rows += 1
            orders[last].rising += rises ? 1 : 0
            for (place, value) in values.enumerated() { orders[last].means[place] += value }
            shown.append(
                (
                    row.attribute,
                    zip(range, row.captions).map { Shown(picture: pictures[$0], caption: $1, isRight: rises) }
                ))
        }
        for index in orders.indices {
            orders[index].means = orders[index].means.map { $0 / Double(orders[index].rows) }
        }
        return (orders, shown)
    }
}

extension Attribute {
    /// The trait that tells whether a category of this attribute is right; nil for classes of a number.
    var categoricalTrait: String? {
        switch self {
        case .presentation: "presentation"
        case .hairColor: "hair_color"
        case .glasses: "glasses"
        case .hat: "hat"
        case .hatColor: "hat_color"
        case .clothing: "clothing"
        case .background: "background"
        case .terrain: "terrain"
        case .weather: "weather"
        case .house: "house"
        default: nil
        }
    }
}
