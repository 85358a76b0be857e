import Testing

@testable import World

@Suite("Held-out combinations")
struct HeldOutTests {
    @Test("Held-out combinations are frequent without holding out, and never drawn with it")
    func heldOut() {
        let plain = SceneSampler(seed: 3)
        let holding = SceneSampler(seed: 3, holdingOut: true)
        var counts = [Int](repeating: 0, count: HeldOut.all.count)
        for index in 0..<4000 {
            let (scene, kept) = (plain.sample(index: index), holding.sample(index: index))
            for (place, combination) in HeldOut.all.enumerated() where combination.contains(scene) {
                counts[place] += 1
            }
            #expect(!HeldOut.contains(kept))
            if !HeldOut.contains(scene) { #expect(scene == kept) }
        }
        for (combination, count) in zip(HeldOut.all, counts) { #expect(count > 3, "\(combination): \(count)") }
        #expect(Double(counts.reduce(0, +)) < 0.3 * 4000)
    }

    @Test("Every held-out value stays frequent on its own")
    func coverage() {
        let sampler = SceneSampler(seed: 9, holdingOut: true)
        var counts: [NamedAttribute: Int] = [:]
        for index in 0..<4000 { for label in sampler.sample(index: index).labels { counts[label, default: 0] += 1 } }
        for value in HeldOut.all.flatMap({ [$0.first, $0.second] }) {
            #expect((counts[value] ?? 0) > 60, "\(value): \(counts[value] ?? 0)")
        }
    }
}

@Suite("Attributes by name")
struct SceneAttributeTests {
    @Test("A list of names and values makes the scene")
    func parse() throws {
        let scene = try Scene(
            attributes: "family=portrait, presentation=man, age=0.8, hair_grey=1, glasses=yes, hat=beanie",
            detailSeed: 7)
        #expect(
            scene
                == .portrait(
                    Portrait(presentation: .man, age: 0.8, hairGrey: 1, glasses: true, hat: .beanie, detailSeed: 7)))
        #expect(
            try Scene(attributes: "family=landscape,terrain=sea,hour_of_day=22.5")
                == .landscape(Landscape(hourOfDay: 22.5, terrain: .sea)))
    }

    @Test(
        "What cannot be read is an error that names what was expected and found",
        arguments: [
            ("age=0.5", "family: expected portrait or landscape, found nothing"),
            ("family=portrait,age=2", "age: expected 0 to 1, found '2'"),
            ("family=portrait,age=nan", "age: expected 0 to 1, found 'nan'"),
            ("family=portrait,hat=cap", "hat: expected none, beanie, brim, found 'cap'"),
            ("family=landscape,house=maybe", "house: expected yes, no, found 'maybe'"),
            ("family=portrait,age", "attributes: expected name=value, found 'age'"),
        ])
    func errors(list: String, message: String) {
        let error = #expect(throws: SceneAttributeError.self) { try Scene(attributes: list) }
        #expect(error?.description == message)
    }

    @Test("An unknown name is answered with the known ones")
    func unknown() {
        let error = #expect(throws: SceneAttributeError.self) { try Scene(attributes: "family=landscape,age=0.5") }
        #expect(error?.description.contains("cloud_cover") == true && error?.found == "'age'")
    }
}
