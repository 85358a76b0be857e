internal import Drawing
public import Imaging

/// What a style starts from: a scene, or a plain picture from elsewhere.
public enum PictureSource: Sendable {
    case scene(Scene)
    case picture(Image)

    /// The plain picture, `size` x `size` pixels.
    func plain(size: Int) -> Image {
        switch self {
        case .picture(let image): return image.resized(width: size, height: size)
        case .scene(let scene):
            // Both artists draw in a square of 128 units.
            let canvas = Canvas(width: size, height: size, scale: Double(size) / 128)
            switch scene {
            case .portrait(let portrait): PortraitArtist(portrait, on: canvas).draw()
            case .landscape(let landscape): LandscapeArtist(landscape, on: canvas).draw()
            }
            return Image(width: size, height: size, pixels: canvas.rgb())
        }
    }
}

/// A way to draw scenes and plain pictures. A renderer adds nothing to the content: the same source, drawn by two
/// renderers, gives a true pair of one content in two styles.
public protocol SceneRenderer: Sendable {
    /// Draws a source as a square picture of `size` pixels; the same arguments give the same bytes.
    func draw(_ source: PictureSource, size: Int) -> Image
}

/// The plain style of the world: a soft-shaded illustration.
public struct IllustrationRenderer: SceneRenderer {
    public init() {}

    public func draw(_ source: PictureSource, size: Int) -> Image { source.plain(size: size) }
}

/// Draws `scene` in the plain illustrated style, `size` x `size` pixels.
public func render(_ scene: Scene, size: Int = 128) -> Image {
    IllustrationRenderer().draw(.scene(scene), size: size)
}
