/// A colour in sRGB with straight (not premultiplied) alpha; every component is nominally in 0...1.
public struct Color: Sendable, Hashable, Codable {
    public var red: Double
    public var green: Double
    public var blue: Double
    public var alpha: Double

    public init(_ red: Double, _ green: Double, _ blue: Double, alpha: Double = 1) {
        self.red = red
        self.green = green
        self.blue = blue
        self.alpha = alpha
    }

    /// A colour from its usual six hexadecimal digits, `0xRRGGBB`.
    public init(hex: UInt32, alpha: Double = 1) {
        self.init(
            Double((hex >> 16) & 255) / 255, Double((hex >> 8) & 255) / 255, Double(hex & 255) / 255, alpha: alpha)
    }

    /// A colour from hue (in turns, any real), saturation and lightness (0...1).
    public init(hue: Double, saturation: Double, lightness: Double) {
        let amplitude = saturation * min(lightness, 1 - lightness)
        func channel(_ offset: Double) -> Double {
            let position = (offset + hue * 12).truncatingRemainder(dividingBy: 12)
            let k = position < 0 ? position + 12 : position
            return lightness - amplitude * max(-1, min(k - 3, 9 - k, 1))
        }
        self.init(channel(0), channel(8), channel(4))
    }

    /// The usual six hexadecimal digits, `#rrggbb`, without alpha.
    public var hex: String {
        "#"
            + [red, green, blue].map { component in
                let value = Int((min(max(component, 0), 1) * 255).rounded())
                return (value < 16 ? "0" : "") + String(value, radix: 16)
            }.joined()
    }

    public static let white = Color(1, 1, 1)
    public static let black = Color(0, 0, 0)

    /// The perceived brightness in 0...1 (Rec. 709 weights on the sRGB values).
    public var luminance: Double { 0.2126 * red + 0.7152 * green + 0.0722 * blue }

    /// The point on the way to `other`: 0 gives self, 1 gives `other`; the alpha is mixed too.
    public func mixed(with other: Color, _ amount: Double) -> Color {
        Color(
            red + (other.red - red) * amount, green + (other.green - green) * amount,
            blue + (other.blue - blue) * amount, alpha: alpha + (other.alpha - alpha) * amount)
    }

    public func opacity(_ alpha: Double) -> Color { Color(red, green, blue, alpha: alpha) }
    public func lighter(_ amount: Double) -> Color { mixed(with: Color.white.opacity(alpha), amount) }
    public func darker(_ amount: Double) -> Color { mixed(with: Color.black.opacity(alpha), amount) }

    /// Towards grey of the same luminance.
    public func desaturated(_ amount: Double) -> Color {
        mixed(with: Color(luminance, luminance, luminance, alpha: alpha), amount)
    }

    /// Component-wise product, as a surface of this colour under coloured light.
    public func lit(by light: Color) -> Color {
        Color(min(1, red * light.red), min(1, green * light.green), min(1, blue * light.blue), alpha: alpha)
    }
}
