internal import Drawing

/// Shoulders, clothes and neck, in canvas coordinates.
extension PortraitArtist {
    func drawBody() {
        let shoulder = mix(mix(47, 39, feminine), 29, childhood)
        let neck = mix(mix(12.5, 9.2, feminine), 8, childhood)
        let center = 64 + 0.8 * turn
        let cloth = portrait.clothing.color
        let slope = 3 * oldness

        var torso = Path()
        torso.move(center - shoulder - 4, 132)
        torso.curve(
            center - shoulder - 3, 118 + slope, center - shoulder + 6, 110 + slope, center - neck - 8, 105)
        torso.curve(center - neck - 4, 103, center - neck, 101, center - neck + 1, 99)
        torso.line(center + neck - 1, 99)
        torso.curve(center + neck, 101, center + neck + 4, 103, center + neck + 8, 105)
        torso.curve(
            center + shoulder - 6, 110 + slope, center + shoulder + 3, 118 + slope, center + shoulder + 4, 132)
        torso.close()
        canvas.fill(torso, shaded(cloth, center - shoulder, center + shoulder, strength: 0.9))
        canvas.clipped(to: torso) {
            // Folds from the armpits, and the head's shadow on the chest.
            for side in [-1.0, 1.0] {
                var fold = Path()
                fold.move(center + side * (shoulder - 12), 132)
                fold.curve(
                    center + side * (shoulder - 13), 124, center + side * (shoulder - 15), 121,
                    center + side * (shoulder - 20), 117)
                canvas.stroke(fold, cloth.darker(0.35).opacity(0.4), width: 2)
            }
            canvas.glow(center - 4 * light, 102, 30, cloth.darker(0.6).opacity(0.5), aspect: 0.5)
        }

        drawNeck(center: center, half: neck)
        drawCollar(center: center, neck: neck, cloth: cloth)
    }

    private func drawNeck(center: Double, half: Double) {
        var path = Path()
        path.move(center - half, 80)
        path.curve(center - half, 92, center - half - 0.5, 98, center - half - 4, 103)
        path.curve(center - 6, 113, center + 6, 113, center + half + 4, 103)
        path.curve(center + half + 0.5, 98, center + half, 92, center + half, 80)
        path.close()
        canvas.fill(path, shaded(skin.mixed(with: skinShade, 0.25), center - half, center + half))
        canvas.clipped(to: path) {
            let fall = 65 + chin + 3 * childhood
            canvas.fill(
                .ellipse(center + 2.5 * turn - 3 * light, fall - 6, half + 9, 16),
                .vertical(fall - 8, fall + 10, skinShade.darker(0.2).opacity(0.85), skinShade.opacity(0)))
        }
    }

    private func drawCollar(center: Double, neck: Double, cloth: Color) {
        let dark = cloth.darker(0.22)
        switch quirks[5] {
        case ..<(-0.3):
            // A round neck with a rib.
            var rib = Path()
            rib.move(center - neck - 5, 103)
            rib.curve(center - 8, 114.5, center + 8, 114.5, center + neck + 5, 103)
            canvas.stroke(rib, shaded(dark, center - neck, center + neck), width: 3.4)
        case ..<0.35:
            // An open shirt collar.
            for side in [-1.0, 1.0] {
                var flap = Path()
                flap.move(center + side * (neck - 0.5), 98)
                flap.curve(
                    center + side * (neck + 3), 101, center + side * (neck + 6), 103, center + side * (neck + 8), 106)
                flap.line(center + side * (neck - 1), 117)
                flap.line(center + side * 1, 113)
                flap.curve(
                    center + side * 4, 109, center + side * (neck - 3), 104, center + side * (neck - 0.5), 98)
                flap.close()
                canvas.fill(flap, lit(cloth.lighter(0.16), side, strength: 0.8))
                canvas.stroke(flap, dark.opacity(0.55), width: 0.9)
            }
            canvas.stroke(.line(center, 114, center, 130), dark.opacity(0.6), width: 1.3)
        default:
            // A soft high collar.
            var roll = Path()
            roll.move(center - neck - 2, 97)
            roll.curve(center - 6, 104, center + 6, 104, center + neck + 2, 97)
            roll.curve(center + neck + 5, 102, center + neck + 6, 105, center + neck + 6, 107)
            roll.curve(center + 8, 115, center - 8, 115, center - neck - 6, 107)
            roll.curve(center - neck - 6, 105, center - neck - 5, 102, center - neck - 2, 97)
            roll.close()
            canvas.fill(roll, shaded(cloth.darker(0.06), center - neck - 5, center + neck + 5))
            var seam = Path()
            seam.move(center - neck - 5, 107)
            seam.curve(center - 8, 115, center + 8, 115, center + neck + 5, 107)
            canvas.stroke(seam, dark.opacity(0.7), width: 1.6)
        }
    }
}
