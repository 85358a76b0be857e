public import Imaging

/// Night neon: the scene's edges as glowing tubes in its own hues, over a dim violet memory of the scene.
public struct NeonRenderer: SceneRenderer {
    public init() {}

    public func draw(_ source: PictureSource, size: Int) -> Image {
        let picture = PlainPicture(source, size: size * 2)
        let hues = picture.blurred(1.5)
        let edges = picture.blurred(0.5).edges
        let strength = max(0.05, edges.quantile(0.95))
        var tubes = [Plane](repeating: edges, count: 3)
        let unit = 128 / Float(edges.size)
        for index in edges.values.indices {
            let (x, y) = (Float(index % edges.size) * unit, Float(index / edges.size) * unit)
            let lit = smoothstep(0.4 * strength, 1.2 * strength, edges.values[index])
            let glow = Self.vivid(hues.at(x, y), at: x, y) * lit
            for channel in 0..<3 { tubes[channel].values[index] = glow[channel] }
        }
        let (near, far) = (tubes.map { $0.blurred(1.2) }, tubes.map { $0.blurred(4.5) })
        let tone = picture.tone
        return shade(size: size, samples: 2) { x, y in
            let core = RGB(tubes[0].at(x, y), tubes[1].at(x, y), tubes[2].at(x, y))
            let halo = RGB(near[0].at(x, y), near[1].at(x, y), near[2].at(x, y))
            let air = RGB(far[0].at(x, y), far[1].at(x, y), far[2].at(x, y))
            let night = RGB(0.035, 0.02, 0.085) + RGB(0.09, 0.05, 0.17) * tone.at(x, y)
            let light = core * 0.8 + halo * 0.75 + air * 0.9
            return night + light + RGB(repeating: max(0, core.max() - 0.6) * 0.45)
        }
    }

    /// The colour's hue at full strength; greys take a hue from where they are, cyan above to magenta below.
    private static func vivid(_ color: RGB, at x: Float, _ y: Float) -> RGB {
        let spread = color.max() - color.min()
        let pure = (color - color.min()) / max(0.02, spread)
        let position = RGB(0.1, 0.85, 1).mixed(with: RGB(1, 0.15, 0.75), smoothstep(10, 118, y + 0.2 * (x - 64)))
        return position.mixed(with: pure, smoothstep(0.06, 0.3, spread))
    }
}
