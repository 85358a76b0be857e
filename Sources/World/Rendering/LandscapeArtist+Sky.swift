internal import Drawing

/// Sky, stars, sun, moon and clouds.
extension LandscapeArtist {
    func drawSky() {
        canvas.paint(
            .linear(
                from: Point(0, 0), to: Point(0, 84),
                stops: [.init(0, sky.zenith), .init(0.5, sky.middle), .init(0.95, sky.horizon)]))
    }

    /// How much of what shines gets through the clouds.
    private var clearness: Double { (1 - 0.85 * smoothstep(0.45, 1, cover)) * (1 - 0.75 * fog) * (1 - 0.5 * rain) }

    func drawHeavenlyBodies() {
        drawStars()
        let clear = clearness
        if sunShown > 0 {
            let clear = clear * sunShown
            let x = sunX
            let y = 76 - 62 * sine(.pi * sunPath)
            let low = 1 - smoothstep(0, 0.3, sine(.pi * unit(sunPath)))
            let disc = Color(hex: 0xFFF6D8).mixed(with: Color(hex: hour < 12 ? 0xFFD0B8 : 0xFF9A48), low)
            let halo = Color(hex: 0xFFF2C8).mixed(with: Color(hex: hour < 12 ? 0xFFB4A8 : 0xFF7A30), low)
            canvas.glow(
                x, y, 62, halo.opacity((0.32 + 0.3 * low) * mix(0.45, 1, clear) * sunShown), aspect: mix(1, 0.7, low))
            canvas.glow(x, y, 24, halo.opacity(0.75 * clear))
            canvas.fill(.circle(x, y, 8 + 2.2 * low), disc.opacity(clear))
        }
        if moonShown > 0 {
            let x = moonX
            let y = 60 - 38 * sine(.pi * unit(moonPath))
            let shown = clear * moonShown
            canvas.glow(x, y, 34, Color(hex: 0xB8CCF4, alpha: 0.5 * shown))
            canvas.fill(.circle(x, y, 8.5), Color(hex: 0xF4F1E0, alpha: min(1, 1.1 * shown)))
            for (dx, dy, r) in [(-2.5, -1.5, 2.2), (2.6, 2.2, 1.7), (1.8, -3.4, 1.2)] {
                canvas.fill(.circle(x + dx, y + dy, r), Color(hex: 0xC9C9C4, alpha: 0.6 * shown))
            }
        }
    }

    private func drawStars() {
        let shown = smoothstep(0.4, 1, sky.night) * clearness
        guard shown > 0.02 else { return }
        var random = stream(1)
        for _ in 0..<34 {
            let (x, y) = (random.uniform(0, 128), random.uniform(0, 1))
            let radius = random.uniform(0.7, 1.35)
            let height = y * 66
            canvas.fill(
                .circle(x, height, radius), Color(hex: 0xFFFBE8, alpha: shown * mix(0.95, 0.35, y)))
        }
    }

    func drawClouds() {
        var random = stream(2)
        let slots = 7
        // Light from above, the horizon's colour from below; heavy clouds have darker bellies.
        let top = Color.white.lit(by: sky.light.lighter(0.18)).mixed(with: sky.horizon, 0.12)
        let belly = sky.horizon.mixed(with: sky.zenith, 0.45).mixed(with: top, 0.4 - 0.25 * rain)
            .darker(0.1 * cover + 0.12 * rain)
        let veil = smoothstep(0.5, 1, cover)
        if veil > 0 {
            canvas.fill(
                .rectangle(0, 0, 128, 84),
                .vertical(0, 78, belly.opacity(0.85 * veil), belly.lighter(0.2).opacity(0.15 * veil)))
        }
        for slot in 0..<slots {
            let amount = smoothstep(0, 1.3, cover * Double(slots) * 1.12 - Double(slot) - 0.25)
            let x = (Double(slot) * 0.382).truncatingRemainder(dividingBy: 1) * 150 - 10 + random.uniform(-9, 9)
            let y = random.uniform(9, 46) + (slot % 2 == 0 ? 0 : 5)
            let size = random.uniform(0.75, 1.25) * mix(1.15, 0.62, y / 52)
            drawCloud(x, y, size: size * mix(0.6, 1.12, amount), alpha: amount, top: top, belly: belly, &random)
        }
    }

    private func drawCloud(
        _ x: Double, _ y: Double, size: Double, alpha: Double, top: Color, belly: Color, _ random: inout SplitMix64
    ) {
        var lobes: [(x: Double, y: Double, r: Double)] = []
        for k in -2...2 {
            let spread = Double(k)
            lobes.append(
                (
                    x + (spread * 9 + random.uniform(-2, 2)) * size,
                    y - (4.5 - spread * spread * 1.1 + random.uniform(-1.5, 1.5)) * size,
                    (10.5 - 1.7 * abs(spread) + random.uniform(-1.2, 1.2)) * size
                ))
        }
        guard alpha > 0.01 else { return }
        let base = y + 4.5 * size
        // The belly is flat: everything under `base` is cut off softly.
        let paint = Paint.linear(
            from: Point(0, y - 14 * size), to: Point(0, base),
            stops: [
                .init(0, top.opacity(0.96 * alpha)), .init(0.5, top.mixed(with: belly, 0.3).opacity(0.93 * alpha)),
                .init(1, belly.opacity(0.8 * alpha)),
            ])
        var shape = Path()
        for lobe in lobes { shape.ellipse(lobe.x, lobe.y, lobe.r, lobe.r) }
        shape.ellipse(x, y + 0.5 * size, 26 * size, 5 * size)
        canvas.clipped(to: .rectangle(-10, -20, 150, base + 20)) {
            canvas.fill(shape, paint)
        }
    }
}
