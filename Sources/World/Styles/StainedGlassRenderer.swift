public import Imaging

/// Stained glass: pieces of one colour that follow the scene's shapes, held by lead.
///
/// The pieces are superpixels: clusters of position and colour, found on a fixed grid so that every size has the same.
/// Follows Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods" (2012).
public struct StainedGlassRenderer: SceneRenderer {
    private static let field = 192
    private static let step: Float = 9

    private struct Piece {
        var x: Float
        var y: Float
        var color: RGB
    }

    public init() {}

    public func draw(_ source: PictureSource, size: Int) -> Image {
        let n = Self.field
        let picture = PlainPicture(source, size: n).blurred(0.7)
        let (labels, pieces) = Self.pieces(of: picture)
        var border = [Float](repeating: 0, count: n * n)
        for y in 0..<n - 1 {
            for x in 0..<n - 1 {
                let here = labels[y * n + x]
                if labels[y * n + x + 1] != here || labels[(y + 1) * n + x] != here { border[y * n + x] = 1 }
            }
        }
        let lead = Plane(size: n, values: border).blurred(0.7)
        let shadow = lead.blurred(1.6)
        let glass = pieces.indices.map { index in
            let jitter = 0.86 + 0.2 * noise(Float(index) * 1.37, 0.5, seed: 9)
            return (pieces[index].color * 0.9 + 0.06).saturated(1.7) * jitter
        }
        let scale = Float(n) / 128
        return shade(size: size, samples: 3) { x, y in
            let label = labels[min(n - 1, Int(y * scale)) * n + min(n - 1, Int(x * scale))]
            let streak = noise(x * 0.12 + Float(label), y * 0.45, seed: 10) - 0.5
            let light = 1.12 + 0.16 * streak - 0.9 * shadow.at(x, y)
            let metal = RGB(hex: 0x17161A) + 0.05 * noise(x, y, seed: 11)
            return (glass[label] * light).mixed(with: metal, smoothstep(0.17, 0.29, lead.at(x, y)))
        }
    }

    private static func pieces(of picture: PlainPicture) -> ([Int], [Piece]) {
        let (n, unit) = (field, 128 / Float(field))
        let count = Int((128 / step).rounded())
        let pitch = 128 / Float(count)
        var pieces = (0..<count * count).map { index in
            let (column, row) = (Float(index % count), Float(index / count))
            let x = (column + 0.5 + 0.6 * (noise(column, row, seed: 12) - 0.5)) * pitch
            let y = (row + 0.5 + 0.6 * (noise(column, row, seed: 13) - 0.5)) * pitch
            return Piece(x: x, y: y, color: picture.at(x, y))
        }
        var labels = [Int](repeating: 0, count: n * n)
        for _ in 0..<4 {
            var sums = [(x: Float, y: Float, color: RGB, count: Float)](
                repeating: (0, 0, .zero, 0), count: pieces.count)
            for index in labels.indices {
                let (x, y) = ((Float(index % n) + 0.5) * unit, (Float(index / n) + 0.5) * unit)
                let color = RGB(picture.red.values[index], picture.green.values[index], picture.blue.values[index])
                let (column, row) = (min(count - 1, Int(x / pitch)), min(count - 1, Int(y / pitch)))
                var least = Float.infinity
                for r in max(0, row - 1)...min(count - 1, row + 1) {
                    for c in max(0, column - 1)...min(count - 1, column + 1) {
                        let piece = pieces[r * count + c]
                        let (dx, dy, dc) = ((piece.x - x) / pitch, (piece.y - y) / pitch, piece.color - color)
                        let distance = dx * dx + dy * dy + (dc * dc).sum() * 40
                        if distance < least { (least, labels[index]) = (distance, r * count + c) }
                    }
                }
                let label = labels[index]
                sums[label].x += x
                sums[label].y += y
                sums[label].color += color
                sums[label].count += 1
            }
            for (index, sum) in sums.enumerated() where sum.count > 0 {
                pieces[index] = Piece(x: sum.x / sum.count, y: sum.y / sum.count, color: sum.color / sum.count)
            }
        }
        return (labels, pieces)
    }
}
