import Imaging
import Testing

@testable import World

@Suite("Styles")
struct StyleTests {
    private static let scenes: [Scene] = [
        .portrait(Portrait(presentation: .man, age: 0.8, hairGrey: 0.9, beard: 0.5, detailSeed: 3)),
        .landscape(Landscape(hourOfDay: 11, terrain: .mountains, house: true, detailSeed: 4)),
    ]

    @Test(
        "A style draws the same bytes each time, and another picture than the plain one", arguments: SceneStyle.allCases
    )
    func deterministic(style: SceneStyle) {
        for scene in Self.scenes {
            let first = render(scene, style: style, size: 48)
            #expect(first.width == 48 && first.height == 48)
            #expect(first == render(scene, style: style, size: 48))
            let plain = render(scene, size: 48)
            if style == .plain {
                #expect(first == plain)
            } else {
                let distance = zip(first.pixels, plain.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
                #expect(Double(distance) / Double(plain.pixels.count) > 4)
            }
        }
    }

    @Test("A plain picture gets the style that its scene would have", arguments: SceneStyle.allCases)
    func restyles(style: SceneStyle) {
        let scene = Self.scenes[0]
        // Styles look at twice the pixels, but for rounding a large drawing is all that they see of a scene.
        let from = restyled(render(scene, size: 256), style: style, size: 128)
        let truth = render(scene, style: style, size: 128)
        let distance = zip(from.pixels, truth.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        #expect(Double(distance) / Double(truth.pixels.count) < 6)
    }

    /// Neon draws edges, all others tones: both must lie where the plain picture has them.
    @Test("A style keeps the geometry", arguments: SceneStyle.allCases)
    func aligned(style: SceneStyle) {
        for scene in Self.scenes {
            let plain = PlainPicture(.scene(scene), size: 64)
            let expected = (style == .neon ? plain.edges : plain.tone).blurred(5)
            let image = render(scene, style: style, size: 64)
            let drawn = Plane(
                size: 64,
                values: (0..<64 * 64).map { index in
                    let pixel = image[index % 64, index / 64]
                    return RGB(Float(pixel.red), Float(pixel.green), Float(pixel.blue)).luminance
                }
            ).blurred(5)
            let match = correlation(expected.values, drawn.values)
            #expect(match > 0.5, "\(style): \(match)")
        }
    }

    private func correlation(_ a: [Float], _ b: [Float]) -> Float {
        let count = Float(a.count)
        let (ma, mb) = (a.reduce(0, +) / count, b.reduce(0, +) / count)
        var (ab, aa, bb): (Float, Float, Float) = (0, 0, 0)
        for (x, y) in zip(a, b) {
            ab += (x - ma) * (y - mb)
            aa += (x - ma) * (x - ma)
            bb += (y - mb) * (y - mb)
        }
        return ab / (aa * bb).squareRoot()
    }
}
