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
}
