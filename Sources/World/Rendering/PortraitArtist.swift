internal import Drawing

/// Draws one portrait on a canvas of 128 x 128 units, from the back to the front.
///
/// The head has its own coordinates: origin between the eyes, x right, y down, chin near y = 36, skull top near -37.
/// Features sit on a cylinder that turns with the head, so they move and narrow together.
struct PortraitArtist {
    let portrait: Portrait
    let canvas: Canvas

    let age: Double
    let smile: Double
    let turn: Double
    let light: Double
    /// 0 for a man's features, 1 for a woman's.
    let feminine: Double
    /// 1 for a small child, 0 from the late teens on.
    let childhood: Double
    /// 0 until middle age, 1 for the oldest.
    let oldness: Double
    let skin: Color
    let skinShade: Color
    let hair: Color
    /// Half the width of the face at the cheeks, and the chin's y.
    let faceWidth: Double
    let chin: Double
    /// Small differences between people, each in -1...1, and choices in 0..<1.
    let quirks: [Double]

    init(_ portrait: Portrait, on canvas: Canvas) {
        self.portrait = portrait
        self.canvas = canvas
        age = unit(portrait.age)
        smile = signedUnit(portrait.smile)
        turn = signedUnit(portrait.headTurn)
        light = signedUnit(portrait.lightDirection)
        feminine = portrait.presentation == .woman ? 1 : 0
        childhood = 1 - smoothstep(0, 0.22, portrait.age)
        oldness = smoothstep(0.45, 1, portrait.age)
        skin = Skin.color(unit(portrait.skinTone)).mixed(with: Color(hex: 0xD8C4B4), 0.1 * oldness)
        skinShade = skin.lit(by: Color(0.76, 0.58, 0.58))
        hair = portrait.hairPaint
        var random = SplitMix64(seed: portrait.detailSeed)
        quirks = (0..<10).map { _ in random.uniform(-1, 1) }
        faceWidth = 25 + 0.9 * quirks[0] - 1.2 * feminine + 0.6 * childhood
        chin = 36 + 1.2 * quirks[1] - 1.5 * feminine - 6.3 * childhood
    }

    func draw() {
        drawBackground()
        canvas.translated(Figure.centre.x, Figure.centre.y) {
            canvas.scaled(Figure.scale, Figure.scale) {
                canvas.translated(-Figure.centre.x, -Figure.centre.y, drawFigure)
            }
        }
        gradeLight()
    }

    private func drawFigure() {
        inHeadSpace { drawBackHair() }
        drawBody()
        inHeadSpace {
            drawEars()
            drawFace()
            drawFeatures()
            drawBeard()
            drawMouth()
            drawFrontHair()
            if portrait.glasses { drawGlasses() }
            drawHat()
        }
    }

    /// Between the eyes, in the figure's coordinates.
    private var headOrigin: Point { Point(64 + 2.5 * turn, 63 + 3 * childhood) }

    /// Runs `body` with the origin between the eyes.
    func inHeadSpace(_ body: () -> Void) {
        let origin = headOrigin
        canvas.translated(origin.x, origin.y, body)
    }

    // MARK: light

    /// `base` under the directional light at `side`, -1 the left edge of a form, 1 its right edge.
    func lit(_ base: Color, _ side: Double, strength: Double = 1) -> Color {
        let facing = side * light * strength
        let edge = abs(side) * (1 - abs(light)) * 0.25 * strength
        let amount = facing - edge
        return amount > 0
            ? base.mixed(with: Color(1, 0.98, 0.93), 0.2 * amount)
            : base.mixed(with: base.lit(by: Color(0.52, 0.44, 0.5)), min(1, -0.95 * amount))
    }

    /// A form between `x1` and `x2`, rounded by the light.
    func shaded(_ base: Color, _ x1: Double, _ x2: Double, strength: Double = 1) -> Paint {
        .linear(
            from: Point(x1, 0), to: Point(x2, 0),
            stops: [
                .init(0, lit(base, -1, strength: strength)), .init(0.5 - 0.15 * light, base),
                .init(1, lit(base, 1, strength: strength)),
            ])
    }

    /// Where a feature at `x` on the unturned face is seen.
    func onFace(_ x: Double) -> Double { Cylinder.x(x, turn) }

    /// How wide a feature at `x` is seen, 1 when facing us.
    func breadth(_ x: Double) -> Double { Cylinder.breadth(x, turn) }

    private func drawBackground() {
        let base = portrait.background.backdrop
        canvas.paint(
            .radial(
                center: Point(64 + 46 * light, 34), inner: 0, outer: 128, aspect: 1,
                stops: [.init(0, base.lighter(0.42)), .init(0.45, base), .init(1, base.darker(0.26))]))
    }

    /// Tints the whole picture with the light's warmth and lets the far side fall off.
    private func gradeLight() {
        let warmth = signedUnit(portrait.lightWarmth)
        let tint =
            warmth > 0
            ? Color.white.mixed(with: Color(1, 0.91, 0.72), warmth)
            : Color.white.mixed(with: Color(0.87, 0.94, 1), -warmth)
        canvas.blending(.multiply) { canvas.paint(.solid(tint)) }
        let glow = Color(hex: warmth > 0 ? 0xFFD27A : 0xBFE0FF)
        let strength = 0.13 * abs(warmth) + 0.13 * abs(light)
        canvas.paint(
            .linear(
                from: Point(64 + 64 * light, 0), to: Point(64 - 40 * light, 100),
                stops: [.init(0, glow.opacity(strength)), .init(1, glow.opacity(0))]))
    }
}

extension PortraitArtist {
    /// Where eyes with brows and mouth are drawn, with a margin of two units, as shares of the picture.
    var details: [SceneDetail] {
        func share(_ low: Double, _ high: Double, _ place: (Double) -> Double) -> ClosedRange<Double> {
            func bounded(_ value: Double) -> Double { unit(place(value) / 128) }
            return bounded(low)...bounded(high)
        }
        func x(_ head: Double) -> Double {
            Figure.centre.x + Figure.scale * (headOrigin.x + head - Figure.centre.x)
        }
        func y(_ head: Double) -> Double {
            Figure.centre.y + Figure.scale * (headOrigin.y + head - Figure.centre.y)
        }
        let middle = onFace(0) + 1.6 * turn
        let lips = 21.6 - 2.8 * childhood
        return [
            SceneDetail(part: .eyes, x: share(onFace(-18.2) - 2, onFace(18.2) + 2, x), y: share(-16, 9, y)),
            SceneDetail(part: .mouth, x: share(middle - 12, middle + 12, x), y: share(lips - 8, lips + 10, y)),
        ]
    }
}

/// The figure was designed a little smaller than the frame holds: it is drawn larger about this centre.
private enum Figure {
    static let centre = Point(64, 80)
    static let scale = 1.12
}

/// The face's features lie on an upright cylinder of radius 27 that the head's turn rotates by up to 0.38 rad.
enum Cylinder {
    static let radius = 27.0

    static func x(_ x: Double, _ turn: Double) -> Double {
        radius * sine(angle(x) + 0.38 * turn)
    }

    static func breadth(_ x: Double, _ turn: Double) -> Double {
        max(0.45, cosine(angle(x) + 0.38 * turn) / cosine(angle(x)))
    }

    private static func angle(_ x: Double) -> Double { arcsine(max(-0.99, min(0.99, x / radius))) }
}
