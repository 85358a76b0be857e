import Imaging
import Testing
import World

@testable import Measurement

/// The measure of a style where the answers are known.
@Suite struct StyleReportTests {
    /// The mean absolute difference of pixels, as a share.
    private func distance(_ a: [Image], _ b: [Image]) -> [Double] {
        zip(a, b).map { first, second in
            let sum = zip(first.pixels, second.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
            return Double(sum) / Double(255 * first.pixels.count)
        }
    }

    private func mixed(_ a: Image, _ b: Image, _ share: Double) -> Image {
        var copy = a
        copy.pixels = zip(a.pixels, b.pixels).map { UInt8((Double($0) * (1 - share) + Double($1) * share).rounded()) }
        return copy
    }

    @Test func `going straight to the truth beats going astray`() throws {
        var evaluation = StyleEvaluation()
        (evaluation.prompts, evaluation.seeds, evaluation.resamplings) = (6, 2, 200)
        let arms = [StyleEvaluation.Arm("straight", [0.3, 0.6, 1]), StyleEvaluation.Arm("astray", [0.3, 0.6, 1])]
        let sampler = SceneSampler(seed: 5)
        let plain = (0..<12).map { render(sampler.sample(index: $0), size: 48) }
        let result = try evaluation.run(
            style: .ink, arms: arms, metric: "pixels", distance: distance, plain: { _ in plain },
            draw: { arm, strength, orders, base in
                #expect(orders.count == 12 && base == plain)
                return base.map { picture in
                    let truth = restyled(picture, style: .ink, size: picture.width)
                    let grey = Image(width: 48, height: 48, filledWith: (128, 128, 128))
                    return mixed(picture, arm == 0 ? truth : grey, strength)
                }
            })
        let report = result.report
        #expect(report.arms[0].points[2].toStyle < 0.01 && report.base.toStyle > 0.1 && report.base.toContent == 0)
        #expect(report.arms[0].excess == 0 && report.arms[0].interval == [0, 0])
        #expect(report.arms[1].excess > 0 && report.arms[1].interval[0] > 0)
        #expect(report.base.diversity > report.arms[1].points[2].diversity && report.arms[1].points[2].diversity == 0)
        #expect(report.markdown.contains("| astray | 0.6 |"))
        #expect(result.rows.count == 6 && result.rows[0].pictures.count == 4 && result.titles.count == 4)
        #expect(Set(evaluation.orders().map(\.prompt)).count > 3)
    }

    @Test func `areas are cut at the common range`() {
        let area = ParetoCurves.area(under: [(x: 0, y: 2), (x: 1, y: 1), (x: 3, y: 0)], to: 2)
        #expect(abs(area - (1.5 + 0.75)) < 1e-12)
    }
}
