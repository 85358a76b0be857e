internal import Drawing

/// Glasses and hats. Head coordinates.
extension PortraitArtist {
    func drawGlasses() {
        let frame = Color(hex: quirks[8] > 0 ? 0x2B2320 : 0x6E3B22)
        let y = 1.2 + 2 * childhood
        var previous: Double?
        for side in [-1.0, 1.0] {
            let x = onFace(side * 11.2)
            let narrow = breadth(side * 11.2)
            let (rx, ry) = (9.2 * narrow, 8.2)
            let round = quirks[9] > 0
            var lens = Path()
            if round {
                lens = .ellipse(x, y, rx, ry)
            } else {
                lens = .smooth(
                    [
                        Point(x - rx, y - ry * 0.75), Point(x, y - ry * 0.92), Point(x + rx, y - ry * 0.75),
                        Point(x + rx * 0.92, y + ry * 0.7), Point(x, y + ry), Point(x - rx * 0.92, y + ry * 0.7),
                    ], tension: 0.75)
            }
            canvas.fill(lens, Color(0.86, 0.94, 1, alpha: 0.16))
            canvas.clipped(to: lens) {
                canvas.stroke(
                    .line(x - 6 * narrow, y + 6, x + 3 * narrow, y - 9), Color.white.opacity(0.22), width: 3.4)
            }
            canvas.stroke(lens, frame, width: 2)
            // The temple runs to the ear.
            let ear = side * (faceWidth - 2 * unit(side * turn)) - 1.2 * turn
            let edge = x + side * rx
            if (ear - edge) * side > 0.5 {
                canvas.stroke(.line(edge, y - 2.6, ear, y - 1.6), frame, width: 1.8)
            }
            if let previous {
                var bridge = Path()
                bridge.move(previous, y - 1)
                bridge.curve(previous + 1, y - 3, x - rx - 1, y - 3, x - rx, y - 1)
                canvas.stroke(bridge, frame, width: 1.9)
            }
            previous = x + rx
        }
    }

    func drawHat() {
        let cloth = portrait.hatColor.color
        let cx = -2.6 * turn
        switch portrait.hat {
        case .none: break
        case .beanie:
            var dome = Path()
            dome.move(cx - 29.5, -15)
            dome.curve(cx - 30, -36, cx - 16, -49, cx, -49)
            dome.curve(cx + 16, -49, cx + 30, -36, cx + 29.5, -15)
            dome.close()
            canvas.fill(dome, shaded(cloth, cx - 30, cx + 30))
            canvas.clipped(to: dome) {
                for k in stride(from: -3.0, through: 3, by: 1) {
                    var rib = Path()
                    rib.move(cx + 1.6 * k, -49)
                    rib.curve(cx + 7 * k, -42, cx + 8.4 * k, -30, cx + 8.4 * k, -16)
                    canvas.stroke(rib, cloth.darker(0.35).opacity(0.35), width: 1.5)
                }
                canvas.glow(cx + 12 * light, -38, 14, cloth.lighter(0.5).opacity(0.45))
            }
            let band = Path.smooth(
                [
                    Point(cx - 31, -20), Point(cx, -25), Point(cx + 31, -20), Point(cx + 30.5, -10), Point(cx, -15.5),
                    Point(cx - 30.5, -10),
                ], tension: 0.8)
            canvas.fill(band, shaded(cloth.darker(0.16), cx - 31, cx + 31))
            canvas.fill(
                .circle(cx, -48.5, 5),
                .radial(
                    center: Point(cx + 2 * light, -50), inner: 0, outer: 7, aspect: 1,
                    stops: [.init(0, cloth.lighter(0.5)), .init(1, cloth.darker(0.1))]))
        case .brim:
            var crown = Path()
            crown.move(cx - 25, -22)
            crown.curve(cx - 25, -40, cx - 18, -50, cx - 6, -48.5)
            crown.curve(cx - 2, -46.5, cx + 2, -46.5, cx + 6, -48.5)
            crown.curve(cx + 18, -50, cx + 25, -40, cx + 25, -22)
            crown.close()
            canvas.fill(crown, shaded(cloth, cx - 26, cx + 26))
            canvas.glow(cx + 10 * light, -38, 13, cloth.lighter(0.5).opacity(0.4))
            canvas.clipped(to: crown) {
                var ribbon = Path()
                ribbon.move(cx - 28, -26)
                ribbon.curve(cx - 12, -31, cx + 12, -31, cx + 28, -26)
                canvas.stroke(ribbon, shaded(cloth.darker(0.5), cx - 26, cx + 26), width: 6)
            }
            // The brim's underside first, then its top.
            canvas.glow(cx, -13, 30, Color(hex: 0x2A1820, alpha: 0.42), aspect: 0.32)
            canvas.fill(
                .ellipse(cx, -20.5, 43, 7.6), shaded(cloth.darker(0.28), cx - 43, cx + 43))
            var top = Path()
            top.move(cx - 43, -21)
            top.curve(cx - 30, -29, cx - 26, -27, cx - 25, -27)
            top.curve(cx - 12, -21, cx + 12, -21, cx + 25, -27)
            top.curve(cx + 26, -27, cx + 30, -29, cx + 43, -21)
            top.curve(cx + 24, -14.5, cx - 24, -14.5, cx - 43, -21)
            top.close()
            canvas.fill(top, shaded(cloth.lighter(0.06), cx - 43, cx + 43))
        }
    }
}
