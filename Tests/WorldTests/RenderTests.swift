import Imaging
import Testing

@testable import World

/// Mean of 0.2126 R + 0.7152 G + 0.0722 B, 0...255, over a part of a picture given in its 128 units.
func luminance(_ image: Image, x: Range<Int> = 0..<128, y: Range<Int> = 0..<128) -> Double {
    var sum = 0.0
    for row in y {
        for column in x {
            let at = (row * image.width + column) * 3
            sum +=
                0.2126 * Double(image.pixels[at]) + 0.7152 * Double(image.pixels[at + 1])
                + 0.0722 * Double(image.pixels[at + 2])
        }
    }
    return sum / Double(x.count * y.count)
}

/// Mean absolute difference of two pictures in levels of 255.
func difference(_ a: Image, _ b: Image) -> Double {
    Double(zip(a.pixels, b.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }) / Double(a.pixels.count)
}

func isRising(_ values: [Double]) -> Bool { zip(values, values.dropFirst()).allSatisfy { $0 < $1 } }

@Suite("Rendering")
struct RenderTests {
    @Test("The same scene gives the same bytes, and another size the same picture")
    func determinism() {
        let sampler = SceneSampler(seed: 3)
        for index in 0..<12 {
            let scene = sampler.sample(index: index)
            let first = render(scene)
            #expect(first.width == 128 && first.height == 128)
            #expect(first == render(scene))
            let large = render(scene, size: 256)
            #expect(abs(luminance(first) - luminance(large, x: 0..<256, y: 0..<256)) < 2)
        }
    }

    @Test("A small step of a continuous portrait attribute changes the picture, and only a little")
    func portraitSmoothness() {
        let fields: [(String, WritableKeyPath<Portrait, Double>, ClosedRange<Double>)] = [
            ("age", \.age, 0...1), ("smile", \.smile, -1...1), ("eyeSize", \.eyeSize, 0...1),
            ("eyeOpenness", \.eyeOpenness, 0...1), ("headTurn", \.headTurn, -1...1), ("skinTone", \.skinTone, 0...1),
            ("hairGrey", \.hairGrey, 0...1), ("hairLength", \.hairLength, 0...1), ("hairCurl", \.hairCurl, 0...1),
            ("beard", \.beard, 0...1), ("lightDirection", \.lightDirection, -1...1),
            ("lightWarmth", \.lightWarmth, -1...1),
        ]
        for (name, field, range) in fields {
            var portrait = Portrait(presentation: .man, beard: 0.5, detailSeed: 5)
            portrait[keyPath: field] = range.lowerBound
            let start = render(.portrait(portrait), size: 48)
            var previous = start
            for step in 1...20 {
                portrait[keyPath: field] = range.lowerBound + (range.upperBound - range.lowerBound) * Double(step) / 20
                let next = render(.portrait(portrait), size: 48)
                #expect(difference(previous, next) < 9, "\(name) jumps at step \(step)")
                previous = next
            }
            #expect(difference(start, previous) > 0.25, "\(name) has no effect")
        }
    }

    @Test("A small step of a continuous landscape attribute changes the picture, and only a little")
    func landscapeSmoothness() {
        let fields: [(String, WritableKeyPath<Landscape, Double>, ClosedRange<Double>)] = [
            ("hourOfDay", \.hourOfDay, 0...24), ("cloudCover", \.cloudCover, 0...1), ("season", \.season, 0...4),
            ("trees", \.trees, 0...1), ("weatherIntensity", \.weatherIntensity, 0...1),
        ]
        let steps = 96
        for terrain in Landscape.Terrain.allCases {
            for (name, field, range) in fields {
                var landscape = Landscape(weather: .rain, terrain: terrain, house: true, detailSeed: 5)
                landscape[keyPath: field] = range.lowerBound
                var previous = render(.landscape(landscape), size: 32)
                var moved = 0.0
                for step in 1...steps {
                    let t = Double(step) / Double(steps)
                    landscape[keyPath: field] = range.lowerBound + (range.upperBound - range.lowerBound) * t
                    let next = render(.landscape(landscape), size: 32)
                    let change = difference(previous, next)
                    // Dawn, the fastest hour, moves some 12 levels in a quarter of an hour.
                    #expect(change < 14, "\(name) of \(terrain) jumps at step \(step)")
                    moved += change
                    previous = next
                }
                #expect(moved > 1 || (terrain == .desert && name == "season"), "\(name) of \(terrain) has no effect")
            }
        }
    }

    @Test("The day and the year are circles")
    func circles() {
        var landscape = Landscape(hourOfDay: 0, season: 0, detailSeed: 2)
        let first = render(.landscape(landscape))
        landscape.hourOfDay = 24
        landscape.season = 4
        #expect(render(.landscape(landscape)) == first)
    }

    @Test("Nights are darker than twilight, twilight than day")
    func night() {
        for terrain in Landscape.Terrain.allCases {
            let levels = [1.0, 20, 18, 12].map {
                luminance(render(.landscape(Landscape(hourOfDay: $0, terrain: terrain))))
            }
            #expect(isRising(levels), "\(terrain): \(levels)")
        }
    }

    @Test("Winter ground is whiter, and clouds take the colour out of the sky")
    func seasonsAndClouds() {
        func ground(_ season: Double) -> Double {
            luminance(render(.landscape(Landscape(season: season, trees: 0))), y: 100..<128)
        }
        #expect(ground(0) > ground(2) + 60)
        func blueness(_ cover: Double) -> Int {
            let picture = render(.landscape(Landscape(weather: .cloud, cloudCover: cover)))
            return (0..<128 * 30).reduce(0) { $0 + Int(picture.pixels[$1 * 3 + 2]) - Int(picture.pixels[$1 * 3]) }
        }
        #expect(blueness(0) > blueness(0.6) && blueness(0.6) > blueness(1))
    }

    @Test("Fog swallows contrast the more of it there is")
    func fog() {
        func contrast(_ intensity: Double) -> Double {
            let landscape = Landscape(weather: .fog, weatherIntensity: intensity, terrain: .mountains, detailSeed: 4)
            let picture = render(.landscape(landscape))
            let mean = luminance(picture)
            return (0..<128).reduce(0.0) { $0 + abs(luminance(picture, y: $1..<$1 + 1) - mean) }
        }
        #expect(isRising([1.0, 0.5, 0].map(contrast)))
    }

    @Test("Hair gets whiter with its grey, and with high age alone")
    func grey() {
        func hair(_ grey: Double, age: Double) -> Double {
            let portrait = Portrait(
                age: age, hairColor: .black, hairGrey: grey, hairLength: 0.9, lightDirection: 0, lightWarmth: 0)
            return luminance(render(.portrait(portrait)), x: 54..<74, y: 14..<22)
        }
        #expect(isRising([0, 0.25, 0.5, 0.75, 1].map { hair($0, age: 0.3) }))
        #expect(hair(0, age: 1) > hair(0, age: 0.5) + 3)
    }

    @Test("Skin darkens with its tone, and the lit side of the face is the brighter one")
    func skinAndLight() {
        func face(_ tone: Double) -> Double {
            luminance(render(.portrait(Portrait(skinTone: tone))), x: 54..<74, y: 66..<76)
        }
        #expect(isRising([1, 0.75, 0.5, 0.25, 0].map(face)))
        func balance(_ direction: Double) -> Double {
            let picture = render(.portrait(Portrait(hairLength: 0, lightDirection: direction, lightWarmth: 0)))
            return luminance(picture, x: 74..<88, y: 66..<90) - luminance(picture, x: 40..<54, y: 66..<90)
        }
        #expect(isRising([-1, -0.5, 0, 0.5, 1].map(balance)))
        #expect(balance(1) > 10 && balance(-1) < -10)
    }

    @Test("Features move with the head, and warm light is redder than cool light")
    func turnAndWarmth() {
        func darkestColumn(_ turn: Double) -> Double {
            // The eyes' dark pixels, averaged across.
            let picture = render(.portrait(Portrait(headTurn: turn, hairLength: 0, lightDirection: 0)))
            let dark = (36..<92).map { max(0, 140 - luminance(picture, x: $0..<$0 + 1, y: 54..<68)) }
            return zip(36..<92, dark).reduce(0) { $0 + Double($1.0) * $1.1 } / dark.reduce(1e-9, +)
        }
        #expect(isRising([-1, -0.5, 0, 0.5, 1].map(darkestColumn)))
        func redness(_ warmth: Double) -> Int {
            let picture = render(.portrait(Portrait(background: .grey, lightWarmth: warmth)))
            return stride(from: 0, to: picture.pixels.count, by: 3).reduce(0) {
                $0 + Int(picture.pixels[$1]) - Int(picture.pixels[$1 + 2])
            }
        }
        #expect(redness(-1) < redness(0) && redness(0) < redness(1))
    }

    @Test("Values outside the ranges are drawn as the nearest inside")
    func clamping() {
        #expect(render(.portrait(Portrait(age: 7, smile: -9))) == render(.portrait(Portrait(age: 1, smile: -1))))
        #expect(render(.landscape(Landscape(trees: 5))) == render(.landscape(Landscape(trees: 1))))
    }
}
