import Testing

@testable import World

@Suite("Captions")
struct CaptionTests {
    @Test("Every caption is short lower-case ASCII in the vocabulary and true of its scene")
    func grammar() {
        let vocabulary = Set(CaptionGrammar.vocabulary)
        #expect((150...300).contains(vocabulary.count))
        let sampler = SceneSampler(seed: 11)
        var seen: Set<String> = []
        for index in 0..<3000 {
            let scene = sampler.sample(index: index)
            let caption = caption(for: scene, variation: UInt64(index))
            let words = caption.text.replacing(",", with: "").split(separator: " ").map(String.init)
            seen.formUnion(words)
            #expect((1..<40).contains(words.count), "\(caption.text)")
            #expect(vocabulary.isSuperset(of: words), "\(caption.text)")
            #expect(caption.attributes.first?.attribute == .family)
            for named in caption.attributes {
                #expect(scene.label(of: named.attribute) == named.value, "\(caption.text): \(named)")
            }
        }
        #expect(vocabulary.subtracting(seen).count <= 3, "never used: \(vocabulary.subtracting(seen).sorted())")
    }

    @Test("A caption is a pure function of scene and variation, and variations differ")
    func variation() {
        let scene = SceneSampler(seed: 4).sample(index: 0)
        #expect(caption(for: scene, variation: 9) == caption(for: scene, variation: 9))
        #expect(Set((0..<60).map { caption(for: scene, variation: $0).text }).count > 40)
    }

    @Test("Every nameable attribute can be asked for and is then named")
    func naming() {
        let sampler = SceneSampler(seed: 12)
        for index in 0..<200 {
            let scene = sampler.sample(index: index)
            for attribute in CaptionGrammar.nameable(in: scene) {
                let caption = CaptionGrammar.caption(for: scene, naming: [attribute], variation: UInt64(index))
                #expect(caption.attributes.contains { $0.attribute == attribute }, "\(attribute) in \(caption.text)")
            }
        }
    }

    @Test("Subsets range from one attribute to most of them")
    func subsets() {
        let sampler = SceneSampler(seed: 13)
        let counts = (0..<500).map {
            caption(for: sampler.sample(index: $0), variation: UInt64($0)).attributes.count - 1
        }
        #expect(counts.contains(1) && (counts.max() ?? 0) >= 7)
    }

    @Test("Known scenes read as expected")
    func examples() {
        let old = Scene.portrait(Portrait(presentation: .man, age: 0.9, smile: 0.6, hairGrey: 1, hairLength: 0.3))
        let texts = (0..<200).map {
            CaptionGrammar.caption(for: old, naming: [.age, .presentation, .hairColor, .mood], variation: $0).text
        }
        #expect(texts.contains { $0.contains("old man with white hair") && $0.contains("smil") })
        let night = Scene.landscape(Landscape(hourOfDay: 1, season: 0, terrain: .mountains))
        let places = (0..<3000).map {
            CaptionGrammar.caption(for: night, naming: [.season, .terrain, .time], variation: $0).text
        }
        #expect(places.contains("a snowy mountain at night"))
    }
}
