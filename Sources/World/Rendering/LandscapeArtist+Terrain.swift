internal import Drawing

/// The four kinds of land.
extension LandscapeArtist {
    // MARK: mountains

    func drawMountains() {
        var random = stream(10)
        drawRange(base: 82, peaks: 4, height: 30, spread: 30, depth: 0.62, &random)
        drawRange(base: 96, peaks: 3, height: 50, spread: 42, depth: 0.26, &random)
        fogBank(at: 90, 0.75)
        let far = ridge(93, amplitude: 3, &random)
        let near = ridge(107, amplitude: 4, &random)
        let meadow = seasonal(winter: 0x8A8C70, spring: 0x86B85A, summer: 0x5C9648, autumn: 0xB0914A)
        fillGround(band(far), meadow.darker(0.14), top: 88, depth: 0.22)
        var slots = stream(11)
        plant(count: 9, along: far, scale: 0.62, depth: 0.2, conifers: 0.85, &slots)
        fogBank(at: 104, 0.5)
        fillGround(band(near), meadow, top: 101, depth: 0.04)
        furnish(near, conifers: 0.85, &slots)
    }

    /// A chain of peaks with a lit and a shaded flank each, and snow above a line that follows the season.
    private func drawRange(
        base: Double, peaks: Int, height: Double, spread: Double, depth: Double, _ random: inout SplitMix64
    ) {
        let rock = seasonal(winter: 0x7D8499, spring: 0x77808F, summer: 0x6F7686, autumn: 0x7C7480, snow: 0.25)
        let start = random.uniform(-6, 10)
        let order = random.shuffled(Array(0..<peaks))
        var shapes: [(x: Double, y: Double, w: Double, jag: [Double])] = []
        for index in 0..<peaks {
            let x = start + (Double(index) + 0.5) * 128 / Double(peaks) + random.uniform(-7, 7)
            let top = base - height * random.uniform(0.72, 1.15)
            shapes.append((x, top, spread * random.uniform(0.85, 1.2), (0..<8).map { _ in random.uniform(-1, 1) }))
        }
        let side = lightSide
        for index in order {
            let (x, top, w, jag) = shapes[index]
            let drop = 100 - top
            // The edge between the two flanks wanders down from the summit.
            let spine = [
                Point(x, top), Point(x + 2.5 * jag[0], top + drop * 0.14),
                Point(x + 1 + 3.5 * jag[1], top + drop * 0.3),
                Point(x + 4 * jag[2], top + drop * 0.55), Point(x + 7 * jag[3], 104),
            ]
            let left = [
                Point(x - w * 1.5, 104), Point(x - w * 0.62, top + drop * 0.42 + 2 * jag[4]),
                Point(x - w * 0.3, top + drop * 0.2),
            ]
            let right = [
                Point(x + w * 0.3, top + drop * 0.2 + jag[5]), Point(x + w * 0.62, top + drop * 0.44 + 2 * jag[5]),
                Point(x + w * 1.5, 104),
            ]
            let bright = seen(rock.lighter(0.14), depth: depth)
            let shade = seen(rock.lit(by: Color(0.6, 0.6, 0.74)), depth: depth)
            let leftTone = shade.mixed(with: bright, 0.5 - 0.5 * side)
            let rightTone = shade.mixed(with: bright, 0.5 + 0.5 * side)
            let whole = Path.polygon(left + [Point(x, top)] + right)
            let rightFlank = Path.polygon(spine + right.reversed())
            canvas.fill(whole, leftTone)
            canvas.fill(rightFlank, rightTone)
            drawSnowCap(
                whole: whole, right: rightFlank, x: x, top: top, drop: drop, jag: jag, leftLit: 0.5 - 0.5 * side,
                depth: depth)
            canvas.clipped(to: whole) {
                canvas.fill(
                    .rectangle(-10, 60, 150, 60),
                    .vertical(top + drop * 0.35, 104, haze.opacity(0), haze.opacity(mix(0.45, 0.85, max(fog, depth)))))
            }
        }
    }

    private func drawSnowCap(
        whole: Path, right: Path, x: Double, top: Double, drop: Double, jag: [Double], leftLit: Double, depth: Double
    ) {
        // Down to a fifth of the flank in summer, over nearly all of it in winter.
        let reach = drop * mix(mix(0.2, 0.3, landscape.weight(of: .spring)), 0.66, groundSnow)
        let line = top + reach
        var edge: [Point] = [Point(x - 70, top - 8), Point(x - 70, line + 4)]
        for k in -6...6 {
            let wave = jag[(k + 8) % 8] * 2.2 + (k % 2 == 0 ? 3.4 : -3.4)
            edge.append(Point(x + Double(k) * reach * 0.17, line + wave * min(1, reach / 14)))
        }
        edge += [Point(x + 70, line + 4), Point(x + 70, top - 8)]
        let snow = Color(hex: 0xF8FAFF)
        let bright = seen(snow, depth: depth * 0.75)
        let shade = seen(snow.lit(by: Color(0.72, 0.78, 0.92)), depth: depth * 0.75)
        canvas.clipped(to: whole) {
            canvas.clipped(to: .polygon(edge)) {
                canvas.fill(whole, shade.mixed(with: bright, leftLit))
                canvas.fill(right, shade.mixed(with: bright, 1 - leftLit))
            }
        }
    }

    // MARK: hills

    func drawHills() {
        var random = stream(20)
        let tones: [Color] = [
            seasonal(winter: 0x8C9484, spring: 0x9CC48C, summer: 0x7CAE74, autumn: 0xBE9A5C),
            seasonal(winter: 0x858B76, spring: 0x8EC26C, summer: 0x68A452, autumn: 0xC68C44),
            seasonal(winter: 0x7E8268, spring: 0x7CB654, summer: 0x559442, autumn: 0xB47A3A),
            seasonal(winter: 0x777A5C, spring: 0x6CAA46, summer: 0x478438, autumn: 0x9E7034),
        ]
        let bases = [77.0, 85, 95, 109]
        var slots = stream(21)
        for index in 0..<4 {
            let depth = [0.62, 0.38, 0.17, 0.03][index]
            let top = ridge(bases[index], amplitude: [4.5, 5, 4.5, 3][index], &random)
            let path = band(top)
            fillGround(path, tones[index], top: bases[index] - 8, depth: depth)
            if index == 1 || index == 2 {
                // Fields: soft stripes that follow the slope.
                canvas.clipped(to: path) {
                    for k in 1...3 {
                        let down = Double(k) * 4.2
                        var points: [Point] = []
                        for x in stride(from: -4.0, through: 132, by: 8) {
                            points.append(Point(x, top(x) + down + x * 0.03 * Double(k)))
                        }
                        let stripe = k % 2 == 0 ? tones[index].lighter(0.2) : tones[index].darker(0.18)
                        canvas.stroke(
                            .smooth(points, closed: false),
                            seen(stripe, depth: depth).opacity(0.45 * (1 - 0.7 * groundSnow)),
                            width: 2.2)
                    }
                }
            }
            if index < 3 {
                plant(
                    count: [6, 7, 7][index], along: top, scale: [0.3, 0.46, 0.68][index], depth: depth, conifers: 0.15,
                    &slots)
                fogBank(at: bases[index] + 7, [0.7, 0.6, 0.45][index])
            } else {
                furnish(top, conifers: 0.15, &slots)
            }
        }
    }

    // MARK: sea

    func drawSea() {
        var random = stream(30)
        let horizon = 72.0
        let deep = Color(hex: 0x1E6C9C).lit(by: sky.light).mixed(with: sky.zenith, 0.4)
        let shallow = Color(hex: 0x58B4BC).lit(by: sky.light).mixed(with: sky.middle, 0.25)
        canvas.fill(
            .rectangle(0, horizon, 128, 58),
            .linear(
                from: Point(0, horizon), to: Point(0, 118),
                stops: [
                    .init(0, sky.horizon.mixed(with: deep, 0.35)), .init(0.14, deep.mixed(with: sky.middle, 0.3)),
                    .init(0.6, deep),
                    .init(1, shallow),
                ]))
        drawGlitter(horizon, &random)
        // Swell: lighter and darker strokes, longer towards us.
        for index in 0..<16 {
            let t = Double(index) / 16
            let y = horizon + 3 + t * t * 40
            let x = random.uniform(-6, 128)
            let half = mix(5, 17, t)
            let tone = index % 2 == 0 ? sky.horizon.lighter(0.25) : deep.darker(0.25)
            var wave = Path()
            wave.move(x - half, y)
            wave.curve(x - half / 2, y - 1.6 * t - 0.4, x + half / 2, y - 1.6 * t - 0.4, x + half, y)
            canvas.stroke(wave, tone.opacity(0.4), width: 0.9 + 1.3 * t)
        }
        drawHeadland(horizon, &random)
        fogBank(at: horizon + 3, 0.8)
        drawBeach(&random)
    }

    /// The paths of light on the water under the sun and the moon.
    private func drawGlitter(_ horizon: Double, _ random: inout SplitMix64) {
        let clear = (1 - 0.8 * smoothstep(0.4, 1, cover)) * (1 - fog) * (1 - 0.6 * rain)
        let offsets = (0..<11).map { _ in (random.uniform(0.7, 1.15), random.uniform(-3, 3)) }
        func path(_ x: Double, _ tone: Color, _ strength: Double) {
            guard strength > 0.01 else { return }
            canvas.glow(x, horizon, 34, tone.opacity(0.5 * strength), aspect: 0.9)
            for (index, (scale, shift)) in offsets.enumerated() {
                let t = Double(index) / 10
                canvas.fill(
                    .ellipse(x + shift * (0.4 + t), horizon + 2 + t * 34, mix(5, 15, t) * scale, 0.9 + 0.7 * t),
                    tone.opacity(strength * mix(0.9, 0.35, t)))
            }
        }
        let low = 1 - smoothstep(0.1, 0.8, sine(.pi * unit(sunPath)))
        canvas.clipped(to: .rectangle(0, horizon, 128, 60)) {
            let gold = sky.horizon.mixed(with: Color(hex: 0xFFF0C0), 0.55)
            path(sunX, gold, mix(0.3, 0.85, low) * clear * sunShown)
            path(moonX, Color(hex: 0xDCE6FF), 0.72 * clear * moonShown)
        }
    }

    private func drawHeadland(_ horizon: Double, _ random: inout SplitMix64) {
        let side = random.chance(0.5) ? 1.0 : -1
        let rock = seasonal(winter: 0x70766C, spring: 0x6C8C60, summer: 0x5A8050, autumn: 0x8A7A4C, snow: 0.85)
        let x = side > 0 ? 128.0 : 0
        let reach = random.uniform(34, 52)
        let top = random.uniform(13, 19)
        let path = Path.smooth(
            [
                Point(x + side * 6, horizon + 2), Point(x + side * 6, horizon - top),
                Point(x - side * reach * 0.35, horizon - top * 0.85),
                Point(x - side * reach * 0.7, horizon - top * 0.35), Point(x - side * reach, horizon + 1.6),
            ], tension: 0.7)
        canvas.fill(
            path, .vertical(horizon - top, horizon + 2, seen(rock, depth: 0.45), seen(rock.darker(0.3), depth: 0.4)))
    }

    private func drawBeach(_ random: inout SplitMix64) {
        let lift = random.uniform(-3, 3)
        let shore: (Double) -> Double = { x in 108 + lift * (x - 64) / 40 + 1.6 * sine(x * 0.07 + lift) }
        let foam = Color.white.lit(by: sky.light.lighter(0.2))
        canvas.fill(band { shore($0) - 4.2 }, foam.opacity(0.4))
        canvas.fill(band { shore($0) - 1.6 }, foam.opacity(0.85))
        let sand = seasonal(winter: 0xBFB49A, spring: 0xE6D2A0, summer: 0xEBD6A2, autumn: 0xD8BE8C)
        fillGround(band(shore), sand, top: 106, depth: 0.02)
        var slots = stream(31)
        furnish({ shore($0) + 1 }, conifers: 0.4, &slots)
    }

    // MARK: desert

    func drawDesert() {
        var random = stream(40)
        let stone = Color(hex: 0xB0694A)
        // Table mountains on the horizon.
        for _ in 0..<3 {
            let x = random.uniform(0, 128)
            let w = random.uniform(10, 22)
            let h = random.uniform(9, 22)
            let mesa = Path.polygon([
                Point(x - w - 7, 84), Point(x - w, 80 - h * 0.55), Point(x - w * 0.8, 80 - h),
                Point(x + w * 0.8, 80 - h),
                Point(x + w, 80 - h * 0.55), Point(x + w + 7, 84),
            ])
            canvas.fill(mesa, .vertical(80 - h, 84, seen(stone, depth: 0.38), seen(stone.lighter(0.2), depth: 0.6)))
            canvas.clipped(to: mesa) {
                let shade = lightSide > 0 ? -1.0 : 1
                canvas.fill(
                    .rectangle(shade > 0 ? x + w * 0.3 : x - w - 10, 40, w + 10, 60),
                    seen(stone.darker(0.45), depth: 0.45).opacity(0.6))
            }
        }
        fogBank(at: 80, 0.7)
        let sands: [UInt32] = [0xE8C48C, 0xE4B878, 0xDEAC68]
        for index in 0..<3 {
            let base = [80.0, 91, 106][index]
            let depth = [0.4, 0.18, 0.02][index]
            let top = ridge(base, amplitude: [3, 4.5, 4][index], &random)
            let sand = Color(hex: sands[index]).mixed(with: Color(hex: 0xF2F5FA), groundSnow)
            let path = band(top)
            fillGround(path, sand, top: base - 6, depth: depth)
            // The slip face: a shaded sickle below each crest.
            canvas.clipped(to: path) {
                let crest = random.uniform(15, 113)
                let way = lightSide > 0 ? -1.0 : 1
                let shade = seen(Color(hex: 0xA8683C), depth: depth + 0.1).opacity(0.55)
                var sickle = Path()
                sickle.move(crest, top(crest) - 1)
                sickle.curve(
                    crest + way * 8, base + 6, crest + way * 4, base + 14, crest + way * 22, base + 24)
                sickle.line(crest + way * 62, base + 24)
                sickle.curve(
                    crest + way * 40, top(crest + way * 40) + 4, crest + way * 18, top(crest + way * 18) - 2, crest,
                    top(crest) - 1)
                sickle.close()
                canvas.fill(sickle, shade)
            }
            if index == 2 {
                var slots = stream(41)
                furnish(top, conifers: 0, &slots)
            }
        }
    }

    // MARK: shared

    /// Fills ground lit from above, darker towards its foot.
    func fillGround(_ path: Path, _ base: Color, top: Double, depth: Double) {
        let snowy = groundSnow * 0.6
        canvas.fill(
            path,
            .vertical(
                top, top + 34, seen(base.lighter(0.1), depth: depth),
                seen(
                    base.darker(0.26 * (1 - snowy)).lit(by: Color(1 - 0.1 * snowy, 1 - 0.06 * snowy, 1)),
                    depth: max(0, depth - 0.12))))
    }

    /// The foreground: the house if there is one, and trees that leave room for it.
    func furnish(_ top: (Double) -> Double, conifers: Double, _ random: inout SplitMix64) {
        let houseX = random.chance(0.5) ? random.uniform(26, 42) : random.uniform(86, 102)
        let keep = landscape.house ? houseX : nil
        plant(count: 8, along: { top($0) + 1 }, scale: 1, depth: 0.06, conifers: conifers, clear: keep, &random)
        if landscape.house { drawHouse(houseX, top(houseX) + 7) }
        plant(count: 4, along: { top($0) + 11 }, scale: 1.25, depth: 0, conifers: conifers, clear: keep, &random)
    }
}
