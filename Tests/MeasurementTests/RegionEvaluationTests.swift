import Drawing
import Imaging
import Testing
import World

@testable import Measurement

/// What a regional slider changes outside its region.
@Suite struct RegionEvaluationTests {
    private let side = 16

    private func picture(_ value: (_ x: Int, _ y: Int) -> UInt8) -> Image {
        let pixels = (0..<side * side).flatMap { index in
            [UInt8](repeating: value(index % side, index / side), count: 3)
        }
        return Image(width: side, height: side, pixels: pixels)
    }

    /// The left half.
    private var region: [Float] { (0..<side * side).map { $0 % side < side / 2 ? 1 : 0 } }

    @Test func `inside and outside are told apart, and the margin counts as neither`() throws {
        let base = picture { _, _ in 100 }
        // 20 levels in the half, 90 in the margin of 3 pixels, 2 beyond it.
        let free = picture { x, _ in x < 8 ? 120 : x < 11 ? 190 : 98 }
        let drawn = RegionEvaluation.Drawn(base: base, free: free, locked: base, region: region)
        let evaluation = RegionEvaluation(margin: 3)
        let change = evaluation.change(free, drawn)
        #expect(change.inside == 20 && change.outside == 2 && change.ratio == 0.1)
        #expect(evaluation.change(base, drawn).ratio == nil)
        // Without a margin the strip is outside.
        let strip = RegionEvaluation(margin: 0).change(free, drawn)
        #expect(strip.outside == (3 * 90 + 5 * 2) / 8)
    }

    @Test func `the report holds medians over prompts that do not name the trait`() throws {
        var evaluation = RegionEvaluation(margin: 1)
        evaluation.prompts = 3
        let result = try evaluation.run(slider: "smile", scale: 2, trait: "smile") { orders in
            #expect(orders.count == 3 && Set(orders.map(\.prompt)).count > 1)
            return orders.indices.map { index in
                let free = picture { x, _ in x < 8 ? 140 : UInt8(100 + 4 * index) }
                return .init(
                    base: picture { _, _ in 100 }, free: free, locked: picture { x, _ in x < 8 ? 140 : 100 },
                    region: region)
            }
        }
        #expect(result.report.medianFree == 0.1 && result.report.medianLocked == 0)
        #expect(result.report.markdown.contains("10.00 %"))
        #expect(result.sheet().draw().width > 128)
    }
}
