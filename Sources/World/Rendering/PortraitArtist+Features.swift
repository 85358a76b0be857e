internal import Drawing

/// Eyes, brows, nose and mouth. Head coordinates.
extension PortraitArtist {
    func drawFeatures() {
        for side in [-1.0, 1.0] {
            drawEye(side)
            drawBrow(side)
        }
        drawNose()
    }

    private var iris: Color {
        let colors: [UInt32] =
            portrait.skinTone > 0.6
            ? [0x4A2E1C, 0x5B3A20, 0x3C2618] : [0x4F7FB0, 0x5C8A5A, 0x6B4526, 0x4A2E1C, 0x3E6C8A]
        return Color(hex: colors[min(colors.count - 1, Int((quirks[3] + 1) / 2 * Double(colors.count)))])
    }

    private func drawEye(_ side: Double) {
        let size = mix(0.78, 1.22, unit(portrait.eyeSize)) * (1 + 0.27 * childhood - 0.07 * oldness + 0.05 * feminine)
        // A broad smile narrows the eyes a little; closed stays closed.
        let open = unit(portrait.eyeOpenness) * (1 - 0.15 * max(0, smile))
        let x = onFace(side * 11)
        let narrow = breadth(side * 11)
        let half = 6.6 * size * narrow
        let up = 6.2 * size * open - 0.9 * (1 - open)
        let down = 3.4 * size * open + 1.6 * (1 - open)
        let y = 0.6 + 2.2 * childhood
        let outer = -1.0 * feminine + 0.8 * oldness

        // Corners: nose side, then temple side.
        let inX = x - side * half
        let outX = x + side * half
        var upper = Path()
        upper.move(inX, y + 1)
        upper.curve(
            inX + side * half * 0.5, y + 0.4 - up * 1.2, outX - side * half * 0.5, y - up * 1.2, outX, y + outer)
        var shape = upper
        shape.curve(outX - side * half * 0.4, y + down * 1.15, inX + side * half * 0.5, y + down * 1.15, inX, y + 1)
        shape.close()

        if open > 0.02 {
            canvas.fill(shape, Color(hex: 0xFBF7F2))
            canvas.clipped(to: shape) {
                let gaze = x + 1.7 * turn
                let radius = 4.1 * size
                canvas.fill(
                    .ellipse(gaze, y - 0.6, radius * mix(narrow, 1, 0.5), radius),
                    .vertical(y - radius, y + radius, iris.darker(0.35), iris.lighter(0.22)))
                canvas.fill(.ellipse(gaze, y - 0.6, radius * 0.5 * narrow, radius * 0.5), Color(hex: 0x17120F))
                canvas.fill(
                    .rectangle(x - 10, y - up * 1.3 - 2, 20, up + 2),
                    .vertical(y - up, y - up * 0.1, Color(hex: 0x3A2A2A, alpha: 0.45), Color(hex: 0x3A2A2A, alpha: 0)))
                canvas.fill(
                    .circle(gaze + 1.5 * (light >= 0 ? 1 : -1) * abs(light).squareRoot(), y - 2.2, 1.25 * size), .white)
            }
        }
        // Lashes and lid.
        let ink = Color(hex: 0x2A1C18)
        canvas.stroke(upper, ink.opacity(0.92), width: 1.5 + 0.7 * feminine)
        if feminine > 0 {
            canvas.stroke(
                .line(outX, y + outer, outX + side * 2 * narrow, y + outer - 1.8),
                ink.opacity(0.9 * (1 - childhood * 0.5)),
                width: 1.5)
        }
        var crease = Path()
        let raise = 2.0 + 0.6 * open
        crease.move(inX + side * 1, y - raise * 0.6 - up * 0.6)
        crease.curve(
            inX + side * half * 0.6, y - raise - up * 0.95, outX - side * half * 0.5, y - raise - up * 0.95, outX,
            y + outer - raise)
        canvas.stroke(crease, skinShade.darker(0.25).opacity(0.55), width: 1)
    }

    private func drawBrow(_ side: Double) {
        let grey = smoothstep(0.3, 0.9, portrait.greyness)
        let color = hair.darker(0.35 - 0.3 * grey).mixed(with: skinShade, 0.12).opacity(0.92)
        let sad = max(0, -smile)
        let y =
            -10.2 - 1.6 * unit(portrait.eyeOpenness) * unit(portrait.eyeSize) - 0.6 * max(0, smile) + 1.8 * childhood
        let innerY = y + 1 - 3 * sad
        let outerY = y + 1.4 + 1.4 * sad - 0.8 * feminine
        let thick = mix(mix(3.0, 1.9, feminine), 1.6, childhood) + 0.6 * oldness * (1 - feminine)
        var brow = Path()
        brow.move(onFace(side * 4.6), innerY)
        brow.curve(
            onFace(side * 8.5), y - 1.8 - 0.8 * feminine, onFace(side * 14), y - 2 - 1.2 * feminine,
            onFace(side * 18.2), outerY)
        canvas.stroke(brow, color, width: thick)
    }

    private func drawNose() {
        let tip = 11.5 - 1.4 * childhood + 1.5 * oldness
        let x = onFace(0) * 1.06 + 1.8 * turn
        let width = mix(mix(4.6, 3.7, feminine), 3.4, childhood) + 0.5 * quirks[4] + 0.5 * oldness
        let shadeSide = abs(light) < 0.05 ? (turn >= 0 ? 1.0 : -1) : (light > 0 ? -1.0 : 1)
        // The bridge in shade on the side away from the light.
        var bridge = Path()
        bridge.move(onFace(0) + shadeSide * 2.6, -4)
        bridge.curve(onFace(0) + shadeSide * 2.4, 2, x + shadeSide * 2.2, tip - 6, x + shadeSide * width, tip - 0.5)
        bridge.curve(x + shadeSide * 2, tip + 1.6, x, tip + 1, x, tip)
        bridge.curve(x, 4, onFace(0), 0, onFace(0) + shadeSide * 2.6, -4)
        bridge.close()
        canvas.fill(bridge, skinShade.opacity(0.3 + 0.25 * abs(light)))
        canvas.glow(x, tip - 1.6, width * 0.85, skin.lighter(0.6).opacity(0.7))
        var under = Path()
        under.move(x - width, tip - 0.2)
        under.curve(x - width * 0.8, tip + 2.4, x - 1, tip + 1.6, x, tip + 2.3)
        under.curve(x + 1, tip + 1.6, x + width * 0.8, tip + 2.4, x + width, tip - 0.2)
        canvas.stroke(under, skinShade.darker(0.3).opacity(0.85), width: 1.5)
    }

    func drawMouth() {
        let x = onFace(0) + 1.6 * turn
        let narrow = breadth(0)
        let y = 21.6 - 2.8 * childhood
        let half = (7.4 + 2.6 * max(0, smile) - 0.4 * childhood) * narrow
        // At rest the corners lift a trace, or neutral would read as sad.
        let bend = 3.6 * smile + 0.4
        let gap = 5.6 * smoothstep(0.3, 1, smile)
        let natural = skin.mixed(with: Color(hex: 0xB8404A), 0.5)
        let lip = natural.mixed(with: Color(hex: 0xC2304A), 0.42 * feminine * (1 - childhood)).darker(0.04)
        let full = mix(1.5, 2.5, feminine) * (1 - 0.35 * oldness)
        let corner = y - bend

        // Upper lip: cupid's bow above, the line of the mouth below.
        var top = Path()
        top.move(x - half, corner)
        top.curve(
            x - half * 0.5, y - full - 0.4 + bend * 0.15, x - 2, y - full - 1 + bend * 0.2, x, y - full + bend * 0.25)
        top.curve(x + 2, y - full - 1 + bend * 0.2, x + half * 0.5, y - full - 0.4 + bend * 0.15, x + half, corner)
        top.curve(x + half * 0.45, y + bend * 0.5, x - half * 0.45, y + bend * 0.5, x - half, corner)
        top.close()
        var bottom = Path()
        bottom.move(x - half, corner)
        bottom.curve(
            x - half * 0.5, y + bend * 0.7 + gap, x + half * 0.5, y + bend * 0.7 + gap, x + half, corner)
        bottom.curve(
            x + half * 0.55, y + bend * 0.75 + gap + full * 1.75, x - half * 0.55, y + bend * 0.75 + gap + full * 1.75,
            x - half, corner)
        bottom.close()

        if gap > 0.05 {
            var inside = Path()
            inside.move(x - half, corner)
            inside.curve(x - half * 0.45, y + bend * 0.5, x + half * 0.45, y + bend * 0.5, x + half, corner)
            inside.curve(x + half * 0.5, y + bend * 0.7 + gap, x - half * 0.5, y + bend * 0.7 + gap, x - half, corner)
            inside.close()
            canvas.fill(inside, Color(hex: 0x6A2A2C))
            canvas.clipped(to: inside) {
                canvas.fill(
                    .ellipse(x, y - 0.6, half * 0.92, gap * 0.62 + bend * 0.62), Color(hex: 0xFBF8F3))
            }
        }
        canvas.fill(bottom, lip.lighter(0.1))
        canvas.fill(top, lip.darker(0.1))
        var line = Path()
        line.move(x - half - 0.6, corner)
        line.curve(x - half * 0.45, y + bend * 0.5, x + half * 0.45, y + bend * 0.5, x + half + 0.6, corner)
        canvas.stroke(line, lip.darker(0.5).opacity(0.9), width: 1.4)
        // Shade under the lower lip.
        canvas.glow(x, y + bend * 0.5 + gap + full + 3.4, 5.5, skinShade.opacity(0.5), aspect: 0.4)
    }
}
