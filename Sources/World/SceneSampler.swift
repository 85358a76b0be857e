/// Draws random scenes: `sample(index:)` is a pure function of `(seed, index)`, so a data set is a seed and a range.
///
/// Attributes are drawn so that every value that a caption can name is frequent, not so that the statistics of a real
/// population come out. Couplings: old age favours grey hair, beards belong to grown men, falling snow to winter.
public struct SceneSampler: Sendable, Hashable {
    public let seed: UInt64
    /// The share of portraits; the rest are landscapes.
    public let portraitShare: Double

    /// Whether scenes with a combination of `HeldOut` are drawn anew, from the same stream, until one has none.
    public let holdingOut: Bool

    public init(seed: UInt64, portraitShare: Double = 0.5, holdingOut: Bool = false) {
        self.seed = seed
        self.portraitShare = portraitShare
        self.holdingOut = holdingOut
    }

    public func sample(index: Int) -> Scene {
        var random = SplitMix64(seed: seed, index: UInt64(bitPattern: Int64(index)))
        var scene = self.scene(&random)
        while holdingOut && HeldOut.contains(scene) { scene = self.scene(&random) }
        return scene
    }

    private func scene(_ random: inout SplitMix64) -> Scene {
        random.chance(portraitShare) ? .portrait(portrait(&random)) : .landscape(landscape(&random))
    }

    private func portrait(_ random: inout SplitMix64) -> Portrait {
        let presentation: Portrait.Presentation = random.chance(0.5) ? .man : .woman
        let age = random.uniform()
        let smile: Double =
            switch random.index(10) {
            case 0, 1: random.uniform(-1, -0.3)
            case 2, 3: random.uniform(-0.3, 0.3)
            default: random.uniform(0.1, 1)
            }
        let greyChance = smoothstep(0.35, 0.85, age) * 0.85 + 0.02
        let grey = random.chance(greyChance) ? random.uniform(0.3, 1) : random.uniform(0, 0.12)
        let length: Double =
            switch presentation {
            case .man: random.chance(0.62) ? random.uniform(0.1, 0.4) : random.uniform(0, 1)
            case .woman: random.chance(0.75) ? random.uniform(0.4, 1) : random.uniform(0.1, 0.5)
            }
        let bald = presentation == .man && age > 0.3 && random.chance(0.15)
        let bearded = presentation == .man && age > 0.22 && random.chance(0.5)
        let hat: Portrait.Hat = random.chance(0.25) ? (random.chance(0.5) ? .beanie : .brim) : .none
        let clothing = random.pick(NamedColor.allCases)
        return Portrait(
            presentation: presentation, age: age, smile: smile, eyeSize: random.uniform(),
            eyeOpenness: random.chance(0.12) ? random.uniform(0, 0.1) : random.uniform(0.35, 1),
            headTurn: random.chance(0.4) ? random.uniform(-0.25, 0.25) : random.uniform(-1, 1),
            skinTone: random.uniform(), hairColor: random.pick(Portrait.HairColor.allCases), hairGrey: grey,
            hairLength: bald ? random.uniform(0, 0.04) : length,
            hairCurl: random.chance(0.4) ? random.uniform(0.55, 1) : random.uniform(0, 0.4),
            beard: bearded ? random.uniform(0.12, 1) : 0, glasses: random.chance(0.3), hat: hat,
            hatColor: random.pick(NamedColor.allCases.filter { $0 != clothing }), clothing: clothing,
            background: random.pick(NamedColor.allCases.filter { $0 != clothing }),
            lightDirection: random.uniform(-1, 1), lightWarmth: random.uniform(-1, 1), detailSeed: random.next())
    }

    private func landscape(_ random: inout SplitMix64) -> Landscape {
        let terrain = random.pick(Landscape.Terrain.allCases)
        let hour: Double =
            switch random.index(8) {
            case 0: random.uniform(5, 7.5)
            case 1, 2: random.uniform(7.5, 17)
            case 3: random.uniform(17, 19.3)
            case 4: random.uniform(19.3, 21)
            case 5, 6: wrap(random.uniform(21, 29), 24)
            default: random.uniform(0, 24)
            }
        let season = wrap(
            Double(random.index(4)) + (random.chance(0.8) ? random.uniform(-0.22, 0.22) : random.uniform(-0.5, 0.5)), 4)
        let winter = season < 0.5 || season > 3.5
        let weather: Landscape.Weather
        let draw = random.uniform()
        switch draw {
        case ..<0.3: weather = .clear
        case ..<0.52: weather = .cloud
        case ..<0.7: weather = .fog
        default: weather = winter && terrain != .desert ? .snow : .rain
        }
        let cover: Double =
            switch weather {
            case .clear: random.uniform(0, 0.3)
            case .cloud: random.uniform(0.45, 1)
            case .rain, .snow: random.uniform(0.65, 1)
            case .fog: random.uniform(0, 0.8)
            }
        return Landscape(
            hourOfDay: hour, weather: weather, cloudCover: cover, weatherIntensity: random.uniform(0.25, 1),
            season: season, terrain: terrain, trees: random.chance(0.3) ? 0 : random.uniform(0.15, 1),
            house: random.chance(0.4), detailSeed: random.next())
    }
}
