internal import Drawing

/// Draws one landscape on a canvas of 128 x 128 units, from the sky to the foreground, then the weather in front.
///
/// The horizon lies near y = 72. A thing's `depth` is 0 in front of us and 1 at the horizon; with depth a colour goes
/// over into the haze.
struct LandscapeArtist {
    let landscape: Landscape
    let canvas: Canvas

    let sky: SkyLight
    let cover: Double
    let rain: Double
    let snowfall: Double
    let fog: Double
    let groundSnow: Double
    let hour: Double
    let haze: Color
    let seed: UInt64

    init(_ landscape: Landscape, on canvas: Canvas) {
        self.landscape = landscape
        self.canvas = canvas
        let intensity = unit(landscape.weatherIntensity)
        rain = landscape.weather == .rain ? intensity : 0
        snowfall = landscape.weather == .snow ? intensity : 0
        fog = landscape.weather == .fog ? mix(0.45, 1, intensity) : 0
        groundSnow = landscape.groundSnow
        // What falls comes out of clouds, whatever the cover says.
        cover = mix(unit(landscape.cloudCover), 1, 0.55 * max(rain, snowfall))
        hour = wrap(landscape.hourOfDay, 24)
        sky = SkyLight.at(hour: hour).clouded(max(cover, 0.8 * fog), storm: rain)
        haze = sky.horizon.mixed(with: sky.middle, 0.3)
        seed = landscape.detailSeed
    }

    func draw() {
        drawSky()
        drawHeavenlyBodies()
        drawClouds()
        switch landscape.terrain {
        case .mountains: drawMountains()
        case .hills: drawHills()
        case .sea: drawSea()
        case .desert: drawDesert()
        }
        drawWeather()
    }

    /// A random stream for one kind of detail, so that adding to one leaves the others as they are.
    func stream(_ purpose: UInt64) -> SplitMix64 { SplitMix64(seed: seed, index: purpose) }

    /// A ground colour as seen in the hour's light at a depth.
    func seen(_ base: Color, depth: Double) -> Color {
        let veil = unit(depth * mix(0.72, 0.95, max(fog, 0.5 * (rain + snowfall))) + 0.25 * fog * depth)
        return base.lit(by: sky.light).mixed(with: haze, veil)
    }

    /// One of four colours by the position in the year, then snow over it.
    func seasonal(winter: UInt32, spring: UInt32, summer: UInt32, autumn: UInt32, snow: Double = 1) -> Color {
        var color = Color(0, 0, 0)
        for (season, hex) in zip(Landscape.Season.allCases, [winter, spring, summer, autumn]) {
            let weight = landscape.weight(of: season)
            let part = Color(hex: hex)
            color = Color(
                color.red + part.red * weight, color.green + part.green * weight, color.blue + part.blue * weight)
        }
        return color.mixed(with: Color(hex: 0xF2F5FA), groundSnow * snow)
    }

    /// How far the sun is on its way from left (5.5) to right (19.5), beyond 0...1 at night.
    var sunPath: Double { (hour - 5.5) / 14 }

    /// The same for the moon, from 19 to 5.5.
    var moonPath: Double { wrap(hour - 19, 24) / 10.5 }

    /// 1 while the sun is up, fading to 0 as it sinks below the horizon.
    var sunShown: Double { smoothstep(-0.06, 0.01, sunPath) * (1 - smoothstep(0.99, 1.06, sunPath)) }

    var moonShown: Double { smoothstep(0.3, 0.9, sky.night) }

    /// Where the sun stands across the picture, and the moon.
    var sunX: Double { 64 - 52 * cosine(.pi * unit(sunPath)) }
    var moonX: Double { 64 - 44 * cosine(.pi * unit(moonPath)) }

    /// The side the light comes from, -1 left to 1 right: east in the morning, west in the evening, then the moon's.
    var lightSide: Double {
        signedUnit((hour - 12.5) / 6) * sunShown + signedUnit(2 * unit(moonPath) - 1) * moonShown * (1 - sunShown)
    }

    /// A band of ground from a ridge down to the bottom: `height(x)` gives the ridge's y.
    func band(from left: Double = -2, to right: Double = 130, step: Double = 6, _ height: (Double) -> Double) -> Path {
        var points: [Point] = []
        for x in stride(from: left, through: right + step, by: step) { points.append(Point(x, height(x))) }
        var path = Path.smooth(points, closed: false)
        path.line(right + step, 132)
        path.line(left, 132)
        path.close()
        return path
    }

    /// A rolling ridge: a few sines with random phases.
    func ridge(_ base: Double, amplitude: Double, _ random: inout SplitMix64) -> (Double) -> Double {
        let phases = (0..<3).map { _ in random.uniform(0, 6.28) }
        let rate = random.uniform(0.035, 0.055)
        return { x in
            base - amplitude
                * (sine(x * rate + phases[0]) + 0.45 * sine(x * rate * 2.3 + phases[1])
                    + 0.15 * sine(x * rate * 5.1 + phases[2]))
        }
    }
}
