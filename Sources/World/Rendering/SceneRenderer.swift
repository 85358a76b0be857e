internal import Drawing
public import Imaging

/// A way to draw scenes. A renderer adds nothing to the content: the same scene, drawn by two renderers, gives a true
/// pair of one content in two styles.
public protocol SceneRenderer: Sendable {
    /// Draws `scene` as a square picture of `size` pixels; the same arguments give the same bytes.
    func draw(_ scene: Scene, size: Int) -> Image
}

/// The plain style of the world: a soft-shaded illustration.
public struct IllustrationRenderer: SceneRenderer {
    public init() {}

    public func draw(_ scene: Scene, size: Int) -> Image {
        // Both artists draw in a square of 128 units.
        let canvas = Canvas(width: size, height: size, scale: Double(size) / 128)
        switch scene {
        case .portrait(let portrait): PortraitArtist(portrait, on: canvas).draw()
        case .landscape(let landscape): LandscapeArtist(landscape, on: canvas).draw()
        }
        return Image(width: size, height: size, pixels: canvas.rgb())
    }
}

/// Draws `scene` in the plain illustrated style, `size` x `size` pixels.
public func render(_ scene: Scene, size: Int = 128) -> Image {
    IllustrationRenderer().draw(scene, size: size)
}
