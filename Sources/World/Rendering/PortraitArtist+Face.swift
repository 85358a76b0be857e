internal import Drawing

/// The head without hair: ears, the face's form and light, the marks of age. Head coordinates.
extension PortraitArtist {
    /// The face's outline; a turn pushes the chin and far cheek towards the side looked at.
    var faceOutline: Path {
        let jaw = mix(mix(20.5, 16.8, feminine), 20.2, childhood) + 0.8 * quirks[2]
        let chinWidth = mix(mix(10, 6.5, feminine), 10.5, childhood)
        let push = 4.6 * turn
        let shift = 1.4 * turn
        let w = faceWidth
        var path = Path()
        path.move(0, -36)
        path.curve(14, -36, w, -25, w + shift, -7)
        path.curve(w + shift, 4, jaw + 4 + push, 11, jaw + push * 0.9, 20)
        path.curve(jaw - 3 + push, chin - 7, chinWidth + push, chin, push, chin)
        path.curve(-chinWidth + push, chin, -jaw + 3 + push, chin - 7, -jaw + push * 0.9, 20)
        path.curve(-jaw - 4 + push, 11, -w + shift, 4, -w + shift, -7)
        path.curve(-w, -25, -14, -36, 0, -36)
        path.close()
        return path
    }

    func drawEars() {
        for side in [-1.0, 1.0] {
            // The ear on the side looked at slips behind the cheek.
            let hidden = unit(side * turn)
            let x = side * (faceWidth + 1.2 - 5 * hidden) - 1.6 * turn
            let size = 1 + 0.16 * oldness
            canvas.fill(
                .ellipse(x, 4, 4.6 * size, 7.4 * size, rotation: side * 0.15),
                lit(skin.mixed(with: skinShade, 0.2), side))
            canvas.fill(
                .ellipse(x + side * 0.3, 4.4, 2.4, 4.4, rotation: side * 0.15), skinShade.opacity(0.7))
        }
    }

    func drawFace() {
        let outline = faceOutline
        canvas.fill(outline, shaded(skin, -faceWidth, faceWidth))
        canvas.clipped(to: outline) {
            let push = 3 * turn
            // The forehead and the lit cheek come forward; the jaw turns away.
            canvas.glow(push + 8 * light, -16, 22, skin.lighter(0.35).opacity(0.55), aspect: 0.75)
            canvas.glow(onFace(12 * light) + 2 * light, 9, 14, skin.lighter(0.35).opacity(0.4))
            canvas.fill(
                .rectangle(-34, 20, 68, 20),
                .vertical(22, 40, skinShade.opacity(0), skinShade.darker(0.08).opacity(0.75)))
            for side in [-1.0, 1.0] {
                let blush = skin.mixed(with: Color(hex: 0xD8485A), 0.55)
                let strength = 0.34 + 0.2 * feminine + 0.2 * childhood + 0.12 * max(0, smile)
                canvas.glow(onFace(side * 14.5), 12 - 1.5 * max(0, smile), 9.5, blush.opacity(strength), aspect: 0.8)
            }
            // Sockets.
            for side in [-1.0, 1.0] {
                canvas.glow(onFace(side * 11), -3, 10.5, skinShade.opacity(0.42 + 0.2 * oldness), aspect: 0.72)
            }
        }
        drawWrinkles()
    }

    private func drawWrinkles() {
        guard oldness > 0 else { return }
        let ink = skinShade.darker(0.22).opacity(0.75 * oldness)
        for (index, y) in [-22.5, -18.5].enumerated() {
            let reach = 12.0 - Double(index)
            var line = Path()
            line.move(onFace(-reach), y + 0.8)
            line.curve(onFace(-reach / 2), y - 1.4, onFace(reach / 2), y - 1.4, onFace(reach), y + 0.8)
            canvas.stroke(line, ink, width: 1.25)
        }
        for side in [-1.0, 1.0] {
            // From the nose to the corner of the mouth.
            var fold = Path()
            let lift = 2 * smile
            fold.move(onFace(side * 6.5), 11)
            fold.curve(
                onFace(side * 10), 13.5, onFace(side * (12 + 1.5 * max(0, smile))), 17,
                onFace(side * (12 + 1.5 * max(0, smile))), 22 - lift)
            canvas.stroke(fold, ink, width: 1.6)
            // Bags under the eyes, and crow's feet.
            var bag = Path()
            bag.move(onFace(side * 6), 6.2)
            bag.curve(onFace(side * 9), 8.6, onFace(side * 13), 8.6, onFace(side * 16), 5.8)
            canvas.stroke(bag, ink, width: 1.5)
            for dy in [-1.5, 2.0] {
                canvas.stroke(
                    .line(onFace(side * 19), dy, onFace(side * 22.5), dy * 2.1 - 0.5), ink, width: 1.1)
            }
        }
    }
}
