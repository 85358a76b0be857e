internal import Drawing

/// What falls or floats between us and the land.
extension LandscapeArtist {
    func drawWeather() {
        drawFog()
        drawRain()
        drawSnowfall()
    }

    private var mist: Color { haze.mixed(with: Color(hex: 0xE6EAEE).lit(by: sky.light), 0.65) }

    /// A soft bank of fog around the height `y`, behind whatever is drawn next.
    func fogBank(at y: Double, _ strength: Double) {
        guard fog > 0 else { return }
        let full = mist.opacity(strength * fog)
        canvas.fill(
            .rectangle(0, y - 26, 128, 40),
            .linear(
                from: Point(0, y - 26), to: Point(0, y + 14),
                stops: [.init(0, full.opacity(0)), .init(0.6, full), .init(1, full.opacity(0))]))
    }

    private func drawFog() {
        guard fog > 0 else { return }
        let color = mist
        canvas.fill(
            .rectangle(0, 0, 128, 128),
            .linear(
                from: Point(0, 0), to: Point(0, 128),
                stops: [
                    .init(0, color.opacity(0.4 * fog)), .init(0.5, color.opacity(0.74 * fog)),
                    .init(0.75, color.opacity(0.6 * fog)), .init(1, color.opacity(0.34 * fog)),
                ]))
        // Drifting wisps.
        var random = stream(60)
        for _ in 0..<5 {
            let (x, y) = (random.uniform(0, 128), random.uniform(62, 116))
            canvas.glow(x, y, random.uniform(34, 52), color.lighter(0.15).opacity(0.5 * fog), aspect: 0.16)
        }
    }

    private func drawRain() {
        guard rain > 0 else { return }
        var random = stream(61)
        canvas.paint(.solid(sky.horizon.darker(0.2).opacity(0.18 * rain)))
        let tone = Color(hex: 0xE4EEF8).mixed(with: sky.horizon, 0.25)
        let count = 62.0
        for index in 0..<Int(count) {
            let (x, y) = (random.uniform(-4, 140), random.uniform(-12, 124))
            let long = random.uniform(9, 14)
            let shown = smoothstep(0, 4, mix(16, count, rain) - Double(index))
            if shown == 0 { continue }
            canvas.stroke(.line(x, y, x - long * 0.32, y + long), tone.opacity(0.42 * shown), width: 1.35)
        }
    }

    private func drawSnowfall() {
        guard snowfall > 0 else { return }
        var random = stream(62)
        let count = 90.0
        let tone = Color.white.mixed(with: sky.light, 0.2)
        for index in 0..<Int(count) {
            let (x, y) = (random.uniform(-2, 130), random.uniform(-2, 130))
            let radius = random.uniform(1.1, 2.5)
            let shown = smoothstep(0, 4, mix(26, count, snowfall) - Double(index))
            if shown == 0 { continue }
            canvas.fill(.circle(x, y, radius), tone.opacity(shown * mix(0.65, 0.92, (radius - 1.1) / 1.4)))
        }
    }
}
