import Imaging
import Testing

@testable import World

/// Where eyes and mouths are said to be, beside what the pictures show.
@Suite struct SceneDetailTests {
    private func portrait(_ change: (inout Portrait) -> Void) -> Scene {
        var portrait = Portrait()
        change(&portrait)
        return .portrait(portrait)
    }

    /// The share of the squared differences of two pictures that lies inside a part's place.
    private func share(of part: SceneDetail.Part, between a: Scene, _ b: Scene) throws -> Double {
        let size = 128
        let (first, second) = (render(a, size: size), render(b, size: size))
        let place = try #require(a.details.first { $0.part == part })
        var (inside, all) = (0, 0)
        for y in 0..<size {
            for x in 0..<size {
                let start = 3 * (y * size + x)
                let change = (0..<3).reduce(0) {
                    let difference = Int(first.pixels[start + $1]) - Int(second.pixels[start + $1])
                    return $0 + difference * difference
                }
                all += change
                let (column, row) = ((Double(x) + 0.5) / Double(size), (Double(y) + 0.5) / Double(size))
                if place.x.contains(column), place.y.contains(row) { inside += change }
            }
        }
        #expect(all > 0)
        return Double(inside) / Double(max(all, 1))
    }

    @Test(arguments: [(0.4, 0.0), (0.02, 0.8), (0.9, -0.7)])
    func `a mouth and eyes change where they are said to be`(_ age: Double, _ turn: Double) throws {
        func scene(_ change: (inout Portrait) -> Void) -> Scene {
            portrait {
                $0.age = age
                $0.headTurn = turn
                change(&$0)
            }
        }
        // A smile lifts brows and lids, too.
        let smiles = [scene { $0.smile = 0.1 }, scene { $0.smile = 1 }]
        let mouth = try share(of: .mouth, between: smiles[0], smiles[1])
        let lids = try share(of: .eyes, between: smiles[0], smiles[1])
        #expect(mouth > 0.5 && mouth + lids > 0.93)
        let eyes = try share(of: .eyes, between: scene { $0.eyeSize = 0 }, scene { $0.eyeSize = 1 })
        #expect(eyes > 0.95)
    }

    @Test(arguments: Landscape.Terrain.allCases)
    func `what stands on the land is in its place and the sky is not`(_ terrain: Landscape.Terrain) throws {
        func scene(_ change: (inout Landscape) -> Void) -> Scene {
            var landscape = Landscape(terrain: terrain)
            change(&landscape)
            return .landscape(landscape)
        }
        let house = try share(of: .land, between: scene { $0.house = false }, scene { $0.house = true })
        let trees = try share(of: .land, between: scene { $0.trees = 0 }, scene { $0.trees = 1 })
        let ridges = try share(of: .land, between: scene { $0.detailSeed = 1 }, scene { $0.detailSeed = 2 })
        let clouds = try share(of: .land, between: scene { $0.cloudCover = 0 }, scene { $0.cloudCover = 0.9 })
        #expect(house > 0.98 && trees > 0.98 && ridges > 0.5 && clouds < 0.5)
        // A few clouds, behind the land; fog, rain and snow have a sky of their own.
        let few = try share(of: .clouds, between: scene { $0.cloudCover = 0.05 }, scene { $0.cloudCover = 0.3 })
        #expect(few > 0.9, "\(few)")
        #expect(scene { $0.weather = .fog }.details.map(\.part) == [.land])
    }

    @Test func `coverage adds up to the part's area`() {
        let detail = SceneDetail(part: .mouth, x: 0.3...0.55, y: 0.1...0.2)
        let cells = detail.coverage(rows: 16, columns: 16)
        #expect(cells.count == 256 && cells.allSatisfy { (0...1).contains($0) })
        let area = cells.reduce(0, +)
        #expect(abs(area - 6.4) < 1e-9)
        let (middle, edge) = (cells[2 * 16 + 5], cells[3 * 16 + 5])
        #expect(middle == 1 && abs(edge - 0.2) < 1e-9)
    }

    @Test func `favoured attributes are named half of the time and others stay`() {
        let sampler = SceneSampler(seed: 5, portraitShare: 1)
        func share(_ favoured: [Attribute]) -> Double {
            let named = (0..<400).filter { index in
                CaptionGrammar.caption(for: sampler.sample(index: index), variation: UInt64(index), favouring: favoured)
                    .attributes.contains { $0.attribute == .mood }
            }
            return Double(named.count) / 400
        }
        #expect(share([]) < 0.4 && share([.mood]) > 0.55)
        let scene = sampler.sample(index: 3)
        let favouringNone = CaptionGrammar.caption(for: scene, variation: 9, favouring: [])
        #expect(caption(for: scene, variation: 9) == favouringNone)
    }
}
