public import Imaging

/// Pen and ink: outlines, and hatching that crosses more often, in turned directions, where the picture is darker.
public struct InkRenderer: SceneRenderer {
    public init() {}

    public func draw(_ source: PictureSource, size: Int) -> Image {
        let picture = PlainPicture(source, size: size * 2)
        let tone = picture.tone.blurred(0.6)
        let around = tone.blurred(7)
        let edges = picture.edges
        let strength = max(0.12, edges.quantile(0.975))
        let (paper, ink) = (RGB(hex: 0xF7F1E3), RGB(hex: 0x1B1F2E))
        // One layer a tone band: below the tone, lines at the angle (in radians), so many units apart.
        let layers: [(below: Float, angle: Double, spacing: Float)] = [
            (0.80, 0.72, 3.4), (0.56, -0.62, 3.2), (0.36, 0.08, 3.0), (0.2, 1.45, 2.8),
        ]
        let turned = layers.map { (Float(cosine($0.angle)), Float(sine($0.angle))) }
        return shade(size: size, samples: 3) { x, y in
            let wobble = (noise(x * 0.09, y * 0.09) - 0.5) * 2.2
            // The tone against its surroundings, so that a dark face under dark hair keeps its eyes and mouth.
            let level = tone.at(x, y) + 0.7 * (tone.at(x, y) - around.at(x, y)) + 0.08
            var cover: Float = 0
            for (layer, (c, s)) in zip(layers, turned) where level < layer.below {
                let across = (y * c - x * s + wobble) / layer.spacing
                let distance = abs(across - across.rounded())
                let width = min(0.25, 0.07 + (layer.below - level) * 0.6)
                cover = max(cover, 1 - smoothstep(width - 0.06, width + 0.06, distance))
            }
            let line = smoothstep(0.6 * strength, 1.05 * strength, edges.at(x, y))
            let grain = (noise(x * 1.7, y * 1.7, seed: 3) - 0.5) * 0.03
            return (paper + grain).mixed(with: ink, max(cover * 0.88, line))
        }
    }
}
