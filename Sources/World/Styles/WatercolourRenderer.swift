public import Imaging

/// Watercolour: washes that bleed over their borders, pigment gathered at the edges and in the grain of the paper.
///
///     c' = c - (c - c^2) (density - 1)
///
/// Follows Bousseau et al., "Interactive watercolor rendering with temporal coherence and abstraction" (2006), eq. 1.
public struct WatercolourRenderer: SceneRenderer {
    public init() {}

    public func draw(_ source: PictureSource, size: Int) -> Image {
        let picture = PlainPicture(source, size: size * 2)
        let wash = picture.blurred(0.9)
        let edges = picture.blurred(0.7).edges.blurred(0.4)
        let paper = RGB(hex: 0xFBF8F0)
        return shade(size: size, samples: 2) { x, y in
            let bleedX =
                (noise(x * 0.16, y * 0.16, seed: 1) - 0.5) * 3.2 + (noise(x * 0.6, y * 0.6, seed: 2) - 0.5) * 1.2
            let bleedY =
                (noise(x * 0.16, y * 0.16, seed: 3) - 0.5) * 3.2 + (noise(x * 0.6, y * 0.6, seed: 4) - 0.5) * 1.2
            let (wx, wy) = (x + bleedX, y + bleedY)
            let color = (wash.at(wx, wy) * 0.84 + 0.16).saturated(1.35)
            let edge = min(1, edges.at(wx, wy) * 4)
            let flow = noise(x * 0.05, y * 0.05, seed: 5) + 0.5 * noise(x * 0.13, y * 0.13, seed: 6) - 0.75
            let grain = noise(x * 0.9, y * 0.9, seed: 7) + noise(x * 1.9, y * 1.9, seed: 8) - 1
            let density = 1 + 0.9 * edge + 0.65 * flow + 0.35 * grain
            return (color - (color - color * color) * (density - 1)) * paper
        }
    }
}
