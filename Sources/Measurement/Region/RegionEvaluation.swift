public import Drawing
import Foundation
public import Imaging
public import World

/// What a regional slider changes outside its region, beside what it changes inside.
///
///     outside = mean |with - without| over the pixels outside the region grown by a margin
///     inside  = the same over the pixels inside the region
public struct RegionEvaluation: Sendable {
    /// A picture without the slider, with it in its region, and with the region locked.
    public struct Drawn: Sendable {
        public var base: Image
        public var free: Image
        public var locked: Image
        /// The region in the picture's size, row by row, from 0 to 1.
        public var region: [Float]

        public init(base: Image, free: Image, locked: Image, region: [Float]) {
            self.base = base
            self.free = free
            self.locked = locked
            self.region = region
        }
    }

    /// One picture's mean changes, in levels of 255.
    public struct Change: Codable, Sendable, Hashable {
        public var inside: Double
        public var outside: Double

        /// Nil where nothing changed inside.
        public var ratio: Double? { inside > 0 ? outside / inside : nil }
    }

    public struct Row: Codable, Sendable, Hashable {
        public var prompt: String
        public var seed: UInt64
        public var free: Change
        public var locked: Change
    }

    public struct Report: Codable, Sendable, Hashable {
        public var slider: String
        public var scale: Double
        /// Pixels that the region is grown by before the outside begins.
        public var margin: Int
        public var rows: [Row]
        /// The medians of the ratios; nil without pictures that changed inside.
        public var medianFree: Double?
        public var medianLocked: Double?

        /// A table for people.
        public var markdown: String {
            func percent(_ value: Double?) -> String { value.map { String(format: "%.2f %%", 100 * $0) } ?? "-" }
            return """
                \(slider) at \(String(format: "%g", scale)) in a region, \(rows.count) pictures; the outside begins \
                \(margin) pixels beyond it.

                | change outside over the change inside, median | |
                |---|---|
                | in the region | \(percent(medianFree)) |
                | and locked | \(percent(medianLocked)) |

                """
        }
    }

    public struct Result: Sendable {
        public var report: Report
        var shown: [(prompt: String, drawn: Drawn)]

        /// The base, the two pictures, and what each changed, one row a prompt.
        public func sheet() -> ContactSheet {
            ContactSheet(
                rows: shown.map { row in
                    let drawn = row.drawn
                    return [
                        drawn.base, drawn.free, difference(drawn.free, drawn.base), drawn.locked,
                        difference(drawn.locked, drawn.base),
                    ].map { .init($0) }
                }, title: "\(report.slider) in a region",
                columnTitles: ["without", "in the region", "changed", "locked", "changed"],
                rowTitles: shown.map(\.prompt), pictureSize: 128)
        }
    }

    public var seed: UInt64 = 7_302
    public var prompts = 50
    public var family = SceneFamily.portrait
    public var margin: Int

    public init(margin: Int) { self.margin = margin }

    /// - Parameter trait: the one that the slider moves, which prompts do not name.
    public func run(
        slider: String, scale: Double, trait: String, draw: ([PictureOrder]) throws -> [Drawn]
    ) throws -> Result {
        var cases = SliderCases(prompts: prompts, seeds: 1)
        cases.seed = seed
        let orders = cases(family: family, without: [trait]).map { PictureOrder(prompt: $0.prompt, seed: $0.seed) }
        let pictures = try draw(orders)
        let rows = zip(orders, pictures).map { order, drawn in
            Row(
                prompt: order.prompt, seed: order.seed, free: change(drawn.free, drawn),
                locked: change(drawn.locked, drawn))
        }
        let report = Report(
            slider: slider, scale: scale, margin: margin, rows: rows, medianFree: median(rows.compactMap(\.free.ratio)),
            medianLocked: median(rows.compactMap(\.locked.ratio)))
        return Result(report: report, shown: Array(zip(orders.map(\.prompt), pictures).prefix(8)))
    }

    func change(_ picture: Image, _ drawn: Drawn) -> Change {
        let (width, height) = (picture.width, picture.height)
        precondition(drawn.region.count == width * height, "region: \(drawn.region.count) values")
        var (inside, outside) = ((sum: 0.0, count: 0), (sum: 0.0, count: 0))
        let grown = grownRegion(drawn.region, width: width, height: height)
        for pixel in 0..<width * height {
            let change = (0..<3).reduce(0) {
                $0 + abs(Int(picture.pixels[3 * pixel + $1]) - Int(drawn.base.pixels[3 * pixel + $1]))
            }
            if drawn.region[pixel] > 0.5 {
                inside = (inside.sum + Double(change), inside.count + 3)
            } else if !grown[pixel] {
                outside = (outside.sum + Double(change), outside.count + 3)
            }
        }
        return Change(
            inside: inside.sum / Double(max(inside.count, 1)), outside: outside.sum / Double(max(outside.count, 1)))
    }

    /// Whether any place of the region lies within the margin, along each side.
    private func grownRegion(_ region: [Float], width: Int, height: Int) -> [Bool] {
        let isInside = region.map { $0 > 0 }
        func spread(_ source: [Bool], step: Int, line: Int, length: Int, lines: Int) -> [Bool] {
            var result = source
            for row in 0..<lines {
                for place in 0..<length {
                    let near = max(0, place - margin)...min(length - 1, place + margin)
                    result[row * line + place * step] = near.contains { source[row * line + $0 * step] }
                }
            }
            return result
        }
        let across = spread(isInside, step: 1, line: width, length: width, lines: height)
        return spread(across, step: width, line: 1, length: height, lines: width)
    }
}

/// The absolute difference of two pictures, four times as bright.
private func difference(_ a: Image, _ b: Image) -> Image {
    Image(
        width: a.width, height: a.height,
        pixels: zip(a.pixels, b.pixels).map { UInt8(min(255, 4 * abs(Int($0) - Int($1)))) })
}
