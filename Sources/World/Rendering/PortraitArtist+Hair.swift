internal import Drawing

/// Hair behind and in front of the head, and the beard. Head coordinates.
extension PortraitArtist {
    var length: Double { unit(portrait.hairLength) }
    var curl: Double { unit(portrait.hairCurl) }

    /// How far hair stands off the skull.
    private var volume: Double {
        mix(0.4, 5, smoothstep(0, 0.4, length)) + 2.4 * curl * smoothstep(0.05, 0.3, length) - 1.2 * oldness
    }

    /// Hair gets visible between bald and a short cut.
    private var presence: Double { smoothstep(0.03, 0.13, length) }

    /// The skull moves against the turn: more of the back of the head shows.
    private var skullShift: Double { -3.2 * turn }

    /// Below which y the hair hangs, from above the ears to far over the shoulders.
    private var hang: Double { mix(-6, 74, smoothstep(0.16, 1.02, length)) }

    func drawBackHair() {
        let presence = smoothstep(0.22, 0.4, length)
        guard presence > 0 else { return }
        let v = volume
        let w = 25.5 + v + 3 * smoothstep(0.4, 0.9, length)
        let bottom = hang
        let cx = skullShift
        let dark = hair.darker(0.2)
        var points = [
            Point(cx, -36), Point(cx + 18, -30), Point(cx + w, -8), Point(cx + w + 1.5, mix(-8, bottom, 0.5)),
            Point(cx + w - 2, bottom - 4), Point(cx + w * 0.55, bottom), Point(cx, bottom - 2),
        ]
        points += points[1..<6].reversed().map { Point(2 * cx - $0.x, $0.y) }
        canvas.group(alpha: presence) {
            fillHair(.smooth(points), shaded(dark, cx - w, cx + w), outline: points, color: dark, closed: true)
        }
    }

    func drawFrontHair() {
        guard presence > 0 else { return }
        canvas.group(alpha: presence) {
            drawLocks()
            drawCap()
        }
    }

    /// The two masses that fall beside the face and over the shoulders.
    private func drawLocks() {
        let grown = smoothstep(0.34, 0.5, length)
        guard grown > 0 else { return }
        let v = volume
        for side in [-1.0, 1.0] {
            let cx = skullShift
            let far = unit(side * turn)
            let outer = cx + side * (25 + v - 2 * far)
            let bottom = min(hang, 72)
            let thick = (6.5 + 3.5 * smoothstep(0.5, 1, length)) * grown * (1 - 0.25 * far)
            let wave = 2.2 * curl + 0.8
            let points = [
                Point(outer - side * (v + 2), -20), Point(outer, -6), Point(outer + side * wave, mix(-6, bottom, 0.35)),
                Point(outer + side * 0.5, mix(-6, bottom, 0.7)), Point(outer - side * 1, bottom - 5),
                Point(outer - side * thick * 0.7, bottom), Point(outer - side * thick * 1.15, mix(-6, bottom, 0.75)),
                Point(outer - side * (thick + 0.5 - wave * 0.5), mix(-6, bottom, 0.4)),
                Point(outer - side * (thick + 1), -6),
                Point(outer - side * (thick + 4), -18),
            ]
            let tone = lit(hair, side)
            fillHair(
                .smooth(points), .vertical(-20, bottom, tone, lit(hair.darker(0.16), side)),
                outline: Array(points[1..<8]), color: tone, closed: false)
            var strand = Path()
            strand.move(outer - side * (thick * 0.5), -10)
            strand.curve(
                outer - side * (thick * 0.35 - wave), mix(-6, bottom, 0.3), outer - side * (thick * 0.6 + wave),
                mix(-6, bottom, 0.6), outer - side * thick * 0.55, bottom - 5)
            canvas.stroke(strand, hair.darker(0.35).opacity(0.4), width: 1.6)
        }
    }

    /// The hair on the skull, with its hairline, parting or fringe.
    private func drawCap() {
        let v = volume
        let cx = skullShift
        let recede = 6 * oldness * (1 - feminine) + 3 * (1 - smoothstep(0.05, 0.2, length))
        let parting = 13 * (quirks[6] >= 0 ? 1.0 : -1) * (0.5 + abs(quirks[6]) / 2)
        let fringe = quirks[7] > 0.45 && length > 0.15 ? 7.5 : 0
        let line = -23.5 - recede + 2 * childhood
        func inner(_ x: Double, _ y: Double) -> Point { Point(onFace(x) * 0.98, y) }
        let burn = mix(-2, 4, smoothstep(0.1, 0.35, length))

        let crown = [
            Point(cx - 25 - v * 0.6, burn), Point(cx - 26 - v, -11), Point(cx - 21 - v * 0.85, -27 - v * 0.5),
            Point(cx - 8, -36 - v), Point(cx + 8, -36 - v), Point(cx + 21 + v * 0.85, -27 - v * 0.5),
            Point(cx + 26 + v, -11), Point(cx + 25 + v * 0.6, burn),
        ]
        let hairline = [
            inner(23.4, burn - 1), inner(22, -10), inner(17, line + 8 + fringe * 0.5),
            inner(parting > 0 ? parting : 9, parting > 0 ? line : line + 4.5 + fringe),
            inner(0, line + 3 + fringe), inner(parting < 0 ? parting : -9, parting < 0 ? line : line + 4.5 + fringe),
            inner(-17, line + 8 + fringe * 0.5), inner(-22, -10), inner(-23.4, burn - 1),
        ]
        let path = Path.smooth(crown + hairline, tension: 0.9)
        fillHair(path, shaded(hair, cx - 27, cx + 27), outline: crown, color: hair, closed: false)
        canvas.clipped(to: path) {
            // A sheen that follows the light, strands, and shade at the roots.
            var sheen = Path()
            let sx = cx + 9 * light
            sheen.move(sx - 17, -20)
            sheen.curve(sx - 11, -31 - v * 0.4, sx + 11, -31 - v * 0.4, sx + 17, -20)
            canvas.stroke(sheen, hair.lighter(0.45).opacity(0.5 * (1 - 0.5 * curl)), width: 4.2)
            canvas.stroke(sheen, hair.lighter(0.7).opacity(0.3 * (1 - 0.5 * curl)), width: 1.8)
            let root = Point(onFace(parting) * 0.8, -35 - v * 0.5)
            for k in [-1.7, 1.7] {
                var strand = Path()
                strand.move(root.x, root.y)
                strand.curve(
                    root.x + 5 * k, -32 - v * 0.3, cx + 12 * k, -24, cx + 13.5 * k, -8)
                canvas.stroke(strand, hair.darker(0.4).opacity(0.26), width: 1.4)
            }
        }
        canvas.stroke(
            .smooth(hairline, closed: false, tension: 0.9), skinShade.darker(0.3).opacity(0.35), width: 1.4)
    }

    /// Fills a mass of hair; curls are round lobes along its outline.
    private func fillHair(_ path: Path, _ paint: Paint, outline: [Point], color: Color, closed: Bool) {
        canvas.fill(path, paint)
        guard curl > 0.05 else { return }
        let radius = 1.5 + 4.3 * curl
        let count = outline.count
        var lobes = Path()
        var coils = Path()
        for index in 0..<(closed ? count : count - 1) {
            let a = outline[index]
            let b = outline[(index + 1) % count]
            let distance = ((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y)).squareRoot()
            let steps = max(1, Int((distance / (radius * 1.5)).rounded()))
            for step in 0..<steps {
                let t = Double(step) / Double(steps)
                let x = mix(a.x, b.x, t)
                let y = mix(a.y, b.y, t)
                let r = radius * (1 + 0.22 * sine(Double(index * 5 + step * 3)))
                lobes.ellipse(x, y, r, r)
                guard (index * 2 + step) % 3 == 0 else { continue }
                coils.move(x + r * 0.59, y + r * 0.12)
                coils.arc(x, y, radius: r * 0.6, from: 0.2, to: 3.2)
            }
        }
        canvas.fill(lobes, paint)
        canvas.stroke(coils, color.darker(0.4).opacity(0.3 * curl), width: 1.6)
    }

    func drawBeard() {
        let beard = unit(portrait.beard)
        guard beard > 0.02 else { return }
        let color = hair.darker(0.1)
        let full = smoothstep(0.2, 0.55, beard)
        let drop = 3 + 17 * smoothstep(0.45, 1, beard)
        let push = 3.4 * turn
        let jaw = mix(20.5, 16.8, feminine) + 1.6 * full
        let opacity = mix(0.42, 1, full) * smoothstep(0.02, 0.22, beard)
        canvas.group(alpha: opacity) {
            var path = Path()
            path.move(-faceWidth + 0.8, 0)
            path.curve(-faceWidth - 1 * full, 10, -jaw - 2 + push, 18, -jaw + 1 + push, 24)
            path.curve(-jaw + 4 + push, chin - 2 + drop * 0.6, -6 + push, chin - 1 + drop, push, chin - 1 + drop)
            path.curve(6 + push, chin - 1 + drop, jaw - 4 + push, chin - 2 + drop * 0.6, jaw - 1 + push, 24)
            path.curve(jaw + 2 + push, 18, faceWidth + 1 * full, 10, faceWidth - 0.8, 0)
            path.curve(onFace(21), 9, onFace(16), 15, onFace(10), 15.2)
            path.curve(onFace(6), 13.6, onFace(3), 13.8, onFace(0) + 1.4 * turn, 15)
            path.curve(onFace(-3), 13.8, onFace(-6), 13.6, onFace(-10), 15.2)
            path.curve(onFace(-16), 15, onFace(-21), 9, -faceWidth + 0.8, 0)
            path.close()
            canvas.fill(path, shaded(color, -faceWidth, faceWidth))
            canvas.clipped(to: path) {
                canvas.fill(
                    .rectangle(-40, 10, 80, 60),
                    .vertical(14, chin + drop, color.lighter(0.12).opacity(0.5), color.darker(0.3).opacity(0.55)))
                for k in stride(from: -3.0, through: 3, by: 1) {
                    var strand = Path()
                    strand.move(push + 5.2 * k, 26 - abs(k))
                    strand.curve(
                        push + 5.4 * k, 32, push + 4 * k, chin + drop * 0.4, push + 2.8 * k, chin + drop * 0.85 - abs(k)
                    )
                    canvas.stroke(strand, color.darker(0.35).opacity(0.4 * full), width: 1.3)
                }
            }
        }
    }
}
