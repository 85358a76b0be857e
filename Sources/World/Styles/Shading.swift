internal import Imaging

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
