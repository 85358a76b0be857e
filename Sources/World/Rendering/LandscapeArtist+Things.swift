internal import Drawing

/// Trees, cactuses and the house.
extension LandscapeArtist {
    /// Trees along a ridge. Slot `i` of `count` grows from nothing to full size as the density passes it.
    func plant(
        count: Int, along top: (Double) -> Double, scale: Double, depth: Double, conifers: Double, clear: Double? = nil,
        _ random: inout SplitMix64
    ) {
        let density = unit(landscape.trees)
        for slot in 0..<count {
            let x = wrap((Double(slot) * 0.618 + random.uniform(0, 0.12)) * 132, 132) - 2
            let size = random.uniform(0.8, 1.2) * scale
            let conifer = random.chance(conifers)
            let hue = random.uniform(-1, 1)
            let grown = smoothstep(0, 1.2, density * (Double(count) + 1) - Double(slot) - 0.1)
            if grown < 0.02 { continue }
            if let clear, abs(x - clear) < 19 { continue }
            let y = top(x) + 2 * scale
            let height = size * mix(0.5, 1, grown)
            let draw = {
                if landscape.terrain == .desert {
                    drawCactus(x, y, height * 0.9, depth: depth)
                } else if conifer {
                    drawConifer(x, y, height, depth: depth, hue)
                } else {
                    drawBroadleaf(x, y, height, depth: depth, hue)
                }
            }
            // A tree that is about to appear is faint first, so that density acts smoothly.
            if grown < 0.4 { canvas.group(alpha: grown / 0.4, draw) } else { draw() }
        }
    }

    private func drawShadow(_ x: Double, _ y: Double, _ size: Double, depth: Double) {
        canvas.glow(
            x - 3 * lightSide * size, y, 9 * size, Color(hex: 0x101830, alpha: 0.34 * (1 - depth) * (1 - 0.5 * cover)),
            aspect: 0.28)
    }

    private func drawConifer(_ x: Double, _ y: Double, _ size: Double, depth: Double, _ hue: Double) {
        drawShadow(x, y, size, depth: depth)
        let green = Color(hex: 0x2F5E40).mixed(with: Color(hex: hue > 0 ? 0x47703C : 0x28524E), abs(hue) * 0.6)
        canvas.fill(
            .rectangle(x - 1.1 * size, y - 4 * size, 2.2 * size, 4.4 * size), seen(Color(hex: 0x54402F), depth: depth))
        for tier in 0..<3 {
            let t = Double(tier)
            let bottom = y - (3 + 6.5 * t) * size
            let half = (8.2 - 1.9 * t) * size
            let top = bottom - (11.5 - 0.6 * t) * size
            let shape = Path.polygon([Point(x - half, bottom), Point(x, top), Point(x + half, bottom)])
            let left = seen(green.lighter(max(0, -0.14 * lightSide)).darker(max(0, 0.3 * lightSide)), depth: depth)
            let right = seen(green.lighter(max(0, 0.14 * lightSide)).darker(max(0, -0.3 * lightSide)), depth: depth)
            canvas.fill(shape, .horizontal(x - half, x + half, left, right))
            if groundSnow > 0.05 {
                let cap = Path.smooth(
                    [
                        Point(x, top), Point(x + half * 0.85, bottom - 0.6 * size),
                        Point(x + half * 0.4, bottom - 3.4 * size),
                        Point(x, bottom - 1.6 * size), Point(x - half * 0.4, bottom - 3.4 * size),
                        Point(x - half * 0.85, bottom - 0.6 * size),
                    ], tension: 0.4)
                canvas.fill(cap, seen(Color(hex: 0xF4F7FC), depth: depth * 0.8).opacity(0.92 * groundSnow))
            }
        }
    }

    private func drawBroadleaf(_ x: Double, _ y: Double, _ size: Double, depth: Double, _ hue: Double) {
        drawShadow(x, y, size, depth: depth)
        let bark = seen(Color(hex: 0x5E4634), depth: depth)
        let crownY = y - 16 * size
        // Branches show through where the leaves are thin.
        var trunk = Path()
        trunk.move(x - 1.7 * size, y + 0.4)
        trunk.curve(x - 1.1 * size, y - 6 * size, x - 1 * size, y - 9 * size, x - 0.6 * size, crownY)
        trunk.line(x + 0.6 * size, crownY)
        trunk.curve(x + 1 * size, y - 9 * size, x + 1.1 * size, y - 6 * size, x + 1.7 * size, y + 0.4)
        trunk.close()
        canvas.fill(trunk, bark)
        let bare = landscape.weight(of: .winter)
        if bare > 0.02 {
            for (dx, dy, w) in [
                (-6.5, -20.0, 1.4), (6.5, -20.5, 1.4), (-3.2, -24.0, 1.2), (3.4, -24.5, 1.2), (-8.5, -15.0, 1.1),
                (8.5, -15.5, 1.1),
            ] {
                var branch = Path()
                branch.move(x, y - 8 * size)
                branch.curve(
                    x + dx * 0.2 * size, y - 13 * size, x + dx * 0.6 * size, y - 15 * size, x + dx * size, y + dy * size
                )
                canvas.stroke(branch, bark.opacity(bare), width: w * size)
                if groundSnow > 0.05 {
                    canvas.fill(
                        .ellipse(x + dx * size, y + (dy + 0.5) * size, 2.7 * size, 2.2 * size),
                        seen(Color(hex: 0xF4F7FC), depth: depth).opacity(0.8 * groundSnow * bare))
                }
            }
        }
        let leafy = 1 - bare
        guard leafy > 0.02 else { return }
        // Blossom in spring, green in summer, yellow to red in autumn.
        let spring = hue > -0.3 ? Color(hex: 0xF4B6C8) : Color(hex: 0x9CCB62)
        let autumn = ramp([0xE8B83C, 0xDF8430, 0xC24A2C].map { Color(hex: $0) }, (hue + 1) / 2)
        let summer = Color(hex: 0x4E9440).mixed(with: Color(hex: 0x76AE48), (hue + 1) / 2)
        var leaf = Color(0, 0, 0)
        let weights = [
            (spring, landscape.weight(of: .spring)), (summer, landscape.weight(of: .summer)),
            (autumn, landscape.weight(of: .autumn)),
        ]
        let total = max(1e-6, weights.reduce(0) { $0 + $1.1 })
        for (color, weight) in weights {
            leaf = Color(
                leaf.red + color.red * weight / total, leaf.green + color.green * weight / total,
                leaf.blue + color.blue * weight / total)
        }
        let lobes = [(-5.6, 1.5, 6.0), (5.6, 1.8, 6.0), (-2.6, -4.4, 6.4), (3.2, -3.6, 6.2), (0.0, 1.6, 7.0)]
        let reach = size * mix(0.55, 1, leafy)
        for (layer, tone) in [leaf.darker(0.3), leaf].enumerated() {
            for (dx, dy, r) in lobes {
                let shift = layer == 0 ? 0.0 : 1
                let cx = x + dx * reach + shift * 1.0 * lightSide * size
                let cy = crownY + dy * reach - shift * 1.1 * size
                let radius = (r - 0.7 * shift) * reach
                let color = seen(tone, depth: depth)
                let paint = Paint.radial(
                    center: Point(cx + radius * 0.35 * lightSide, cy - radius * 0.45), inner: 0, outer: radius * 1.4,
                    aspect: 1,
                    stops: [
                        .init(0, color.lighter(0.16 * (1 - depth) * shift).opacity(leafy)),
                        .init(1, color.opacity(layer == 0 ? leafy : leafy * 0.75)),
                    ])
                canvas.fill(.circle(cx, cy, radius), paint)
            }
        }
    }

    private func drawCactus(_ x: Double, _ y: Double, _ size: Double, depth: Double) {
        drawShadow(x, y, size * 0.8, depth: depth)
        let green = seen(Color(hex: 0x4F8A50), depth: depth)
        let dark = seen(Color(hex: 0x33643E), depth: depth)
        var arms = Path()
        arms.move(x, y)
        arms.line(x, y - 22 * size)
        arms.move(x, y - 8 * size)
        arms.curve(x - 7 * size, y - 8 * size, x - 7 * size, y - 10 * size, x - 7 * size, y - 16 * size)
        arms.move(x, y - 11 * size)
        arms.curve(x + 6.5 * size, y - 11 * size, x + 6.5 * size, y - 13 * size, x + 6.5 * size, y - 18 * size)
        canvas.stroke(arms, dark, width: 4.6 * size)
        canvas.translated(0.6 * lightSide * size, -0.3 * size) { canvas.stroke(arms, green, width: 3.0 * size) }
        if groundSnow > 0.05 {
            canvas.fill(
                .ellipse(x, y - 23.5 * size, 2.6 * size, 1.6 * size),
                seen(Color(hex: 0xF4F7FC), depth: depth).opacity(groundSnow))
        }
    }

    /// A cottage about 30 units wide whose doorstep is at `(x, y)`; its windows shine when it is dark.
    func drawHouse(_ x: Double, _ y: Double) {
        let dark = max(smoothstep(0.25, 0.8, sky.night), 0.35 * rain * cover)
        var random = stream(50)
        let walls: [UInt32] = landscape.terrain == .desert ? [0xE9D6B4, 0xDDB48A] : [0xF2E8D6, 0xE8D2B0, 0xDCE2E4]
        let roofs: [UInt32] = [0xB0503C, 0x8A4A3A, 0x5E6C84]
        let wall = Color(hex: random.pick(walls))
        let roof = Color(hex: random.pick(roofs)).mixed(with: Color(hex: 0xF4F7FC), 0.94 * groundSnow)
        canvas.glow(x, y, 24, Color(hex: 0x101830, alpha: 0.4 * (1 - 0.5 * cover)), aspect: 0.22)
        let left = seen(wall.darker(max(0, 0.22 * lightSide)), depth: 0.02)
        let right = seen(wall.darker(max(0, -0.22 * lightSide)), depth: 0.02)
        // Chimney, then walls and roof.
        canvas.fill(.rectangle(x + 6, y - 33, 4.6, 11), seen(Color(hex: 0x96604E), depth: 0.02))
        if groundSnow > 0.05 {
            canvas.fill(
                .rectangle(x + 5.4, y - 34.4, 5.8, 2.2), seen(Color(hex: 0xF4F7FC), depth: 0).opacity(groundSnow))
        }
        canvas.fill(.rectangle(x - 13, y - 15.5, 26, 15.5), .horizontal(x - 13, x + 13, left, right))
        canvas.fill(
            .rectangle(x - 13, y - 15.5, 26, 4.5),
            .vertical(y - 15.5, y - 11, Color(hex: 0x1A1420, alpha: 0.35), Color(hex: 0x1A1420, alpha: 0)))
        let top = Path.polygon([
            Point(x - 16.5, y - 14.5), Point(x - 10, y - 28), Point(x + 10, y - 28), Point(x + 16.5, y - 14.5),
        ])
        canvas.fill(
            top,
            .vertical(y - 28, y - 14.5, seen(roof.lighter(0.14), depth: 0.02), seen(roof.darker(0.14), depth: 0.02)))
        canvas.stroke(
            .line(x - 16, y - 14.6, x + 16, y - 14.6), seen(roof.darker(0.4), depth: 0.02).opacity(0.7), width: 1.4)
        canvas.fill(.rectangle(x - 2.7, y - 9.5, 5.4, 9.5), seen(Color(hex: 0x6E4A34), depth: 0))
        let pane = seen(Color(hex: 0x6F8CA6), depth: 0).mixed(with: Color(hex: 0xFFD268), dark)
        for side in [-1.0, 1.0] {
            let wx = x + side * 8
            if dark > 0.02 { canvas.glow(wx, y - 8, 15, Color(hex: 0xFFC04A, alpha: 0.6 * dark)) }
            canvas.fill(.rectangle(wx - 3.3, y - 11.2, 6.6, 6.6), seen(Color(hex: 0x4A3A34), depth: 0))
            canvas.fill(.rectangle(wx - 2.6, y - 10.5, 5.2, 5.2), pane)
        }
    }
}
