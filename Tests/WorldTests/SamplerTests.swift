import Foundation
import Testing

@testable import World

@Suite("Sampler")
struct SamplerTests {
    @Test("A sample depends on seed and index alone")
    func pure() {
        let sampler = SceneSampler(seed: 5)
        let forward = (0..<50).map { sampler.sample(index: $0) }
        let backward = (0..<50).reversed().map { SceneSampler(seed: 5).sample(index: $0) }
        #expect(forward == backward.reversed())
        #expect(Set(forward).count == 50)
        #expect(forward != (0..<50).map { SceneSampler(seed: 6).sample(index: $0) })
    }

    @Test("The first outputs of the generator are the published ones of SplitMix64")
    func generator() {
        var random = SplitMix64(seed: 1_234_567)
        let expected: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        ]
        #expect((0..<3).map { _ in random.next() } == expected)
    }

    @Test("Every class of every attribute is frequent")
    func frequencies() {
        let sampler = SceneSampler(seed: 1)
        var counts: [NamedAttribute: Int] = [:]
        let total = 6000
        for index in 0..<total { for label in sampler.sample(index: index).labels { counts[label, default: 0] += 1 } }
        var classes: [Attribute: [String]] = [
            .age: ["child", "young", "middle", "old"], .mood: ["sad", "neutral", "smiling", "grinning"],
            .eyes: ["closed", "small", "large"], .turn: ["left", "forward", "right"],
            .skin: ["light", "brown", "dark"],
            .hairColor: ["black", "brown", "red", "blond", "grey", "white"],
            .hairLength: ["bald", "short", "medium", "long"], .hairTexture: ["straight", "curly"],
            .beard: ["none", "stubble", "beard", "long"], .glasses: ["yes", "no"], .hat: ["none", "beanie", "brim"],
            .lightSide: ["left", "front", "right"], .lightTone: ["warm", "cool"],
            .time: ["night", "dawn", "day", "sunset", "dusk"], .partOfDay: ["morning", "noon", "afternoon"],
            .weather: ["clear", "cloud", "rain", "snow", "fog"], .weatherStrength: ["light", "heavy"],
            .clouds: ["none", "few", "cloudy", "overcast"], .season: ["winter", "spring", "summer", "autumn"],
            .trees: ["none", "few", "many"], .house: ["yes", "no"],
            .terrain: Landscape.Terrain.allCases.map(\.rawValue),
            .presentation: ["man", "woman"], .family: ["portrait", "landscape"],
        ]
        for attribute in [Attribute.clothing, .background] { classes[attribute] = NamedColor.allCases.map(\.rawValue) }
        for (attribute, values) in classes {
            for value in values {
                let share = Double(counts[NamedAttribute(attribute, value)] ?? 0) / Double(total)
                #expect(share > 0.015, "\(attribute) = \(value): \(share)")
            }
        }
        let known = Set(classes.flatMap { entry in entry.value.map { NamedAttribute(entry.key, $0) } })
        #expect(counts.keys.filter { $0.attribute != .hatColor && !known.contains($0) }.isEmpty)
    }

    @Test("Old people's hair is greyer than young people's")
    func greying() {
        let sampler = SceneSampler(seed: 2, portraitShare: 1)
        var young: [Double] = []
        var old: [Double] = []
        for index in 0..<800 {
            guard case .portrait(let portrait) = sampler.sample(index: index) else { continue }
            if portrait.age < 0.4 { young.append(portrait.greyness) }
            if portrait.age > 0.7 { old.append(portrait.greyness) }
        }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        #expect(mean(old) > mean(young) + 0.3)
    }

    @Test("Scenes survive JSON")
    func coding() throws {
        for index in 0..<20 {
            let scene = SceneSampler(seed: 8).sample(index: index)
            let copy = try JSONDecoder().decode(Scene.self, from: JSONEncoder().encode(scene))
            #expect(copy == scene)
        }
    }
}
