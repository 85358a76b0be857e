/// One square map of numbers, such as luminance or edge strength.
///
/// Positions are given in the artists' units, 0...128, so that a style looks the same at any size.
struct Plane {
    let size: Int
    var values: [Float]

    init(size: Int, values: [Float]) {
        self.size = size
        self.values = values
    }

    /// The value at a position in units, between the four nearest, held at the borders.
    func at(_ x: Float, _ y: Float) -> Float {
        let scale = Float(size) / 128
        let (px, py) = (max(0, min(Float(size - 1), x * scale - 0.5)), max(0, min(Float(size - 1), y * scale - 0.5)))
        let (x0, y0) = (Int(px), Int(py))
        let (x1, y1) = (min(size - 1, x0 + 1), min(size - 1, y0 + 1))
        let (fx, fy) = (px - Float(x0), py - Float(y0))
        let top = values[y0 * size + x0] * (1 - fx) + values[y0 * size + x1] * fx
        let bottom = values[y1 * size + x0] * (1 - fx) + values[y1 * size + x1] * fx
        return top * (1 - fy) + bottom * fy
    }

    /// Two box blurs of `radius` units, close to a Gaussian.
    func blurred(_ radius: Float) -> Plane {
        let pixels = Int((radius * Float(size) / 128).rounded())
        guard pixels > 0 else { return self }
        var result = values
        for _ in 0..<2 {
            result = Self.box(result, size, pixels, step: 1, line: size)
            result = Self.box(result, size, pixels, step: size, line: 1)
        }
        return Plane(size: size, values: result)
    }

    /// The strength of the steepest change, from central differences one unit apart.
    var edges: Plane {
        let reach = max(1, size / 128)
        var result = [Float](repeating: 0, count: values.count)
        for y in 0..<size {
            let (up, down) = (max(0, y - reach) * size, min(size - 1, y + reach) * size)
            for x in 0..<size {
                let dx = values[y * size + min(size - 1, x + reach)] - values[y * size + max(0, x - reach)]
                let dy = values[down + x] - values[up + x]
                result[y * size + x] = (dx * dx + dy * dy).squareRoot()
            }
        }
        return Plane(size: size, values: result)
    }

    /// The value below which `share` of all values lie.
    func quantile(_ share: Double) -> Float {
        let sorted = values.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    private static func box(_ source: [Float], _ size: Int, _ radius: Int, step: Int, line: Int) -> [Float] {
        var result = source
        let weight = 1 / Float(2 * radius + 1)
        for index in 0..<size {
            let start = index * line
            func value(_ at: Int) -> Float { source[start + max(0, min(size - 1, at)) * step] }
            var sum: Float = 0
            for at in -radius...radius { sum += value(at) }
            for at in 0..<size {
                result[start + at * step] = sum * weight
                sum += value(at + radius + 1) - value(at - radius)
            }
        }
        return result
    }
}
