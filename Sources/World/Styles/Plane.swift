internal import Imaging

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

/// A colour of a style's arithmetic: red, green and blue in 0...1.
typealias RGB = SIMD3<Float>

extension RGB {
    init(hex: UInt32) {
        self.init(Float((hex >> 16) & 255) / 255, Float((hex >> 8) & 255) / 255, Float(hex & 255) / 255)
    }

    var luminance: Float { 0.2126 * x + 0.7152 * y + 0.0722 * z }

    func mixed(with other: RGB, _ amount: Float) -> RGB { self + (other - self) * amount }

    /// Away from grey of the same luminance; 1 changes nothing.
    func saturated(_ factor: Float) -> RGB {
        let grey = RGB(repeating: luminance)
        return (grey + (self - grey) * factor).clamped(lowerBound: .zero, upperBound: .one)
    }
}

/// The plain drawing of a scene as three planes, which every other style starts from.
struct PlainPicture {
    let size: Int
    let red: Plane
    let green: Plane
    let blue: Plane

    init(_ scene: Scene, size: Int) {
        let image = IllustrationRenderer().draw(scene, size: size)
        let pixels = image.pixels
        func plane(_ channel: Int) -> Plane {
            Plane(size: size, values: (0..<size * size).map { Float(pixels[$0 * 3 + channel]) / 255 })
        }
        (self.size, red, green, blue) = (size, plane(0), plane(1), plane(2))
    }

    private init(_ red: Plane, _ green: Plane, _ blue: Plane) {
        (size, self.red, self.green, self.blue) = (red.size, red, green, blue)
    }

    func at(_ x: Float, _ y: Float) -> RGB { RGB(red.at(x, y), green.at(x, y), blue.at(x, y)) }

    func blurred(_ radius: Float) -> PlainPicture {
        PlainPicture(red.blurred(radius), green.blurred(radius), blue.blurred(radius))
    }

    /// Luminance stretched so that nights and fogs use the whole range of tones too.
    var tone: Plane {
        let plane = Plane(
            size: size,
            values: (0..<size * size).map { RGB(red.values[$0], green.values[$0], blue.values[$0]).luminance })
        let (low, high) = (plane.quantile(0.02), plane.quantile(0.98))
        let middle = (low + high) / 2
        let reach = max(0.2, (high - low) / 2)
        return Plane(size: size, values: plane.values.map { max(0, min(1, ($0 - middle) / reach * 0.5 + 0.5)) })
    }

    /// The strongest edge of the three channels.
    var edges: Plane {
        let (r, g, b) = (red.edges.values, green.edges.values, blue.edges.values)
        return Plane(size: size, values: r.indices.map { max(r[$0], g[$0], b[$0]) })
    }
}

/// `size` x `size` pixels, each the mean of `samples` x `samples` colours; `color` gets positions in units, 0...128.
func shade(size: Int, samples: Int, _ color: (Float, Float) -> RGB) -> Image {
    var pixels = [UInt8](repeating: 0, count: size * size * 3)
    let step = 128 / Float(size * samples)
    for y in 0..<size {
        for x in 0..<size {
            var sum = RGB.zero
            for sy in 0..<samples {
                for sx in 0..<samples {
                    sum += color((Float(x * samples + sx) + 0.5) * step, (Float(y * samples + sy) + 0.5) * step)
                }
            }
            let mean = (sum / Float(samples * samples)).clamped(lowerBound: .zero, upperBound: .one) * 255
            for channel in 0..<3 { pixels[(y * size + x) * 3 + channel] = UInt8(mean[channel].rounded()) }
        }
    }
    return Image(width: size, height: size, pixels: pixels)
}

/// Smooth noise in 0...1 with one value per lattice point.
func noise(_ x: Float, _ y: Float, seed: UInt32 = 0) -> Float {
    func lattice(_ x: Int32, _ y: Int32) -> Float {
        var h = UInt32(bitPattern: x) &* 0x8DA6_B343 ^ UInt32(bitPattern: y) &* 0xD816_3841 ^ seed &* 0xCB1A_B31F
        h = (h ^ (h >> 15)) &* 0x2C1B_3C6D
        h = (h ^ (h >> 12)) &* 0x297A_2D39
        return Float((h ^ (h >> 15)) >> 8) / 16_777_216
    }
    let (fx, fy) = (x.rounded(.down), y.rounded(.down))
    let (ix, iy) = (Int32(fx), Int32(fy))
    let (tx, ty) = (x - fx, y - fy)
    let (sx, sy) = (tx * tx * (3 - 2 * tx), ty * ty * (3 - 2 * ty))
    let top = lattice(ix, iy) * (1 - sx) + lattice(ix + 1, iy) * sx
    let bottom = lattice(ix, iy + 1) * (1 - sx) + lattice(ix + 1, iy + 1) * sx
    return top * (1 - sy) + bottom * sy
}

func smoothstep(_ low: Float, _ high: Float, _ value: Float) -> Float {
    let t = max(0, min(1, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)
}
