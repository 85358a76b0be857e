public import Imaging

/// The styles that redraw one scene. Every style keeps the geometry of `plain`, so that any two make a true pair.
public enum SceneStyle: String, Sendable, Codable, CaseIterable {
    case plain, ink, pixel, watercolour, halftone, glass, neon

    /// The style's renderer: one line to add a style.
    public var renderer: any SceneRenderer {
        switch self {
        case .plain: IllustrationRenderer()
        case .ink: InkRenderer()
        case .pixel: PixelArtRenderer()
        case .watercolour: WatercolourRenderer()
        case .halftone: HalftoneRenderer()
        case .glass: StainedGlassRenderer()
        case .neon: NeonRenderer()
        }
    }
}

/// Draws `scene` in `style`, `size` x `size` pixels; the same arguments give the same bytes.
public func render(_ scene: Scene, style: SceneStyle, size: Int = 128) -> Image {
    style.renderer.draw(.scene(scene), size: size)
}

/// A plain picture as the style would have drawn it: the truth that learnt styles are measured against.
public func restyled(_ picture: Image, style: SceneStyle, size: Int = 128) -> Image {
    style.renderer.draw(.picture(picture), size: size)
}
