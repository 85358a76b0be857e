public import Imaging

/// Four-colour print: dots of cyan, magenta, yellow and black on screens turned by 15, 75, 0 and 45 degrees.
public struct HalftoneRenderer: SceneRenderer {
    public init() {}

    public func draw(_ source: PictureSource, size: Int) -> Image {
        let picture = PlainPicture(source, size: size * 2)
        let tone = picture.tone
        let paper = RGB(hex: 0xFAF4E6)
        let inks = [RGB(hex: 0x18A0D8), RGB(hex: 0xE0308A), RGB(hex: 0xFBD927), RGB(hex: 0x221F26)]
        let turned = [15.0, 75, 0, 45].map { degrees in
            let angle = degrees * .pi / 180
            return (Float(cosine(angle)), Float(sine(angle)))
        }
        let spacing: Float = 3
        return shade(size: size, samples: 4) { x, y in
            let seen = picture.at(x, y).saturated(1.3)
            // Printers open up the shadows: a night on newsprint would drown in ink.
            let lift = (0.35 + 0.6 * tone.at(x, y)) / max(0.08, seen.luminance)
            let ink = 1 - (seen * max(1, min(2.4, lift))).clamped(lowerBound: .zero, upperBound: .one)
            let black = ink.min() * 0.6
            let rest = (ink - black) / max(0.05, 1 - black)
            let amounts = [rest.x, rest.y, rest.z, black]
            var color = paper
            for screen in 0..<4 {
                let (c, s) = turned[screen]
                let (u, v) = ((x * c + y * s) / spacing, (y * c - x * s) / spacing)
                let (du, dv) = (u - u.rounded(), v - v.rounded())
                // A dot of this radius covers `amount` of its cell; beyond pi / 4 the dots touch.
                let radius = (max(0, amounts[screen]) / .pi).squareRoot() * 1.12
                if du * du + dv * dv < radius * radius { color *= inks[screen] }
            }
            return color
        }
    }
}
