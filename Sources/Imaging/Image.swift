/// A picture of 8-bit RGB pixels, row by row from the top left: `pixels[(y * width + x) * 3 + channel]`.
///
/// sRGB-encoded as files carry it; no alpha (readers compose it over white).
public struct Image: Sendable, Equatable {
    public let width: Int
    public let height: Int
    /// `width * height * 3` bytes, always: a write that changes the count is a programming error.
    public var pixels: [UInt8] {
        didSet { precondition(pixels.count == width * height * 3, Self.mismatch(width, height, pixels.count)) }
    }

    /// - Precondition: `width` and `height` are positive and `pixels.count == width * height * 3`.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "Image: expected a positive size, found \(width)x\(height)")
        precondition(pixels.count == width * height * 3, Self.mismatch(width, height, pixels.count))
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// An image of one colour.
    public init(width: Int, height: Int, filledWith color: (red: UInt8, green: UInt8, blue: UInt8) = (255, 255, 255)) {
        precondition(width > 0 && height > 0, "Image: expected a positive size, found \(width)x\(height)")
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
            for i in 0..<width * height {
                buffer[3 * i] = color.red
                buffer[3 * i + 1] = color.green
                buffer[3 * i + 2] = color.blue
            }
            count = width * height * 3
        }
        self.init(width: width, height: height, pixels: pixels)
    }

    /// The three bytes of the pixel in column `x` of row `y`.
    public subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
        get {
            let i = index(x, y)
            return (pixels[i], pixels[i + 1], pixels[i + 2])
        }
        set {
            let i = index(x, y)
            pixels[i] = newValue.red
            pixels[i + 1] = newValue.green
            pixels[i + 2] = newValue.blue
        }
    }

    private func index(_ x: Int, _ y: Int) -> Int {
        precondition(
            (0..<width).contains(x) && (0..<height).contains(y), "Image: no pixel (\(x), \(y)) in \(width)x\(height)")
        return (y * width + x) * 3
    }

    private static func mismatch(_ width: Int, _ height: Int, _ count: Int) -> String {
        "Image: expected \(width) x \(height) x 3 = \(width * height * 3) bytes, found \(count)"
    }
}
