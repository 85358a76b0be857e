import Imaging

/// A picture with edges, gradients and noise.
func sample(width: Int = 23, height: Int = 17, seed: UInt64 = 1) -> Image {
    var generator = SplitMix64(state: seed)
    var image = Image(width: width, height: height)
    for y in 0..<height {
        for x in 0..<width {
            let noise = UInt8.random(in: 0...20, using: &generator)
            image[x, y] = (UInt8(x * 230 / width) + noise, UInt8(y * 230 / height) + noise, x > y ? 200 : 30)
        }
    }
    return image
}

/// A smooth picture, which JPEG keeps closely.
func gradient(width: Int, height: Int) -> Image {
    var image = Image(width: width, height: height)
    for y in 0..<height {
        for x in 0..<width { image[x, y] = (UInt8(x * 255 / width), UInt8(y * 255 / height), 128) }
    }
    return image
}

func largestDifference(_ a: Image, _ b: Image) -> Int {
    zip(a.pixels, b.pixels).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
}
