public import Imaging

/// Pixel art: a grid of 64 x 64 blocks, sixteen colours chosen for the picture, and dark outlines.
public struct PixelArtRenderer: SceneRenderer {
    static let cells = 64
    static let colors = 16

    public init() {}

    public func draw(_ source: PictureSource, size: Int) -> Image {
        let n = Self.cells
        let picture = PlainPicture(source, size: n * 4).blurred(0.5)
        let unit = 128 / Float(n)
        let blocks = (0..<n * n).map { index in
            picture.at((Float(index % n) + 0.5) * unit, (Float(index / n) + 0.5) * unit).saturated(1.25)
        }
        let palette = Self.palette(of: blocks)
        var drawn = blocks.enumerated().map { index, color in
            // A chequered nudge turns smooth shading into the dither of old screens.
            let nudge: Float = (index % n + index / n) % 2 == 0 ? 0.012 : -0.012
            return palette[Self.nearest(to: color + nudge, in: palette)]
        }
        for y in 0..<n {
            for x in 0..<n {
                let here = blocks[y * n + x]
                let around = [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)].filter {
                    (0..<n).contains($0.0) && (0..<n).contains($0.1)
                }
                let contrast = around.map { blocks[$0.1 * n + $0.0].luminance - here.luminance }.max() ?? 0
                if contrast > 0.14 { drawn[y * n + x] *= 0.45 }
            }
        }
        return shade(size: size, samples: size % n == 0 ? 1 : 3) { x, y in
            drawn[min(n - 1, Int(y / unit)) * n + min(n - 1, Int(x / unit))]
        }
    }

    /// The centres after eight rounds of k-means, started from colours evenly spread by luminance.
    private static func palette(of blocks: [RGB]) -> [RGB] {
        let ranked = blocks.sorted {
            ($0.luminance, $0.x, $0.y, $0.z) < ($1.luminance, $1.x, $1.y, $1.z)
        }
        var centres = (0..<colors).map { ranked[(2 * $0 + 1) * ranked.count / (2 * colors)] }
        for _ in 0..<8 {
            var sums = [RGB](repeating: .zero, count: colors)
            var counts = [Float](repeating: 0, count: colors)
            for block in blocks {
                let index = nearest(to: block, in: centres)
                sums[index] += block
                counts[index] += 1
            }
            for index in 0..<colors where counts[index] > 0 { centres[index] = sums[index] / counts[index] }
        }
        return centres
    }

    private static func nearest(to color: RGB, in palette: [RGB]) -> Int {
        var (best, least) = (0, Float.infinity)
        for (index, candidate) in palette.enumerated() {
            let offset = candidate - color
            let distance = (offset * offset).sum()
            if distance < least { (best, least) = (index, distance) }
        }
        return best
    }
}
