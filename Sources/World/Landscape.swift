/// Everything that decides an illustrated landscape.
///
/// A pure description: the same value always gives the same picture, and each continuous field moves the pixels
/// smoothly. Values outside a field's range are clamped when drawn.
public struct Landscape: Sendable, Hashable, Codable {
    public enum Weather: String, Sendable, Codable, CaseIterable { case clear, cloud, rain, snow, fog }

    public enum Terrain: String, Sendable, Codable, CaseIterable { case mountains, hills, sea, desert }

    public enum Season: Int, Sendable, Codable, CaseIterable { case winter, spring, summer, autumn }

    /// Local solar time in hours, 0..<24: sun, moon, sky and light follow from it.
    public var hourOfDay: Double
    public var weather: Weather
    /// 0 an empty sky, 1 a closed layer of cloud.
    public var cloudCover: Double
    /// How strong rain, snow or fog is, 0...1; without effect in clear and cloudy weather.
    public var weatherIntensity: Double
    /// The position in the year, 0..<4 and circular: 0 the middle of winter, 1 of spring, 2 of summer, 3 of autumn.
    public var season: Double
    public var terrain: Terrain
    /// 0 no trees, 1 a wood (cactuses in the desert).
    public var trees: Double
    public var house: Bool
    /// Seeds what no attribute names: the ridges' shapes, where trees, clouds and the house stand.
    public var detailSeed: UInt64

    /// A clear summer noon in the hills, to vary from.
    public init(
        hourOfDay: Double = 12, weather: Weather = .clear, cloudCover: Double = 0.2, weatherIntensity: Double = 0.6,
        season: Double = 2, terrain: Terrain = .hills, trees: Double = 0.5, house: Bool = false, detailSeed: UInt64 = 0
    ) {
        self.hourOfDay = hourOfDay
        self.weather = weather
        self.cloudCover = cloudCover
        self.weatherIntensity = weatherIntensity
        self.season = season
        self.terrain = terrain
        self.trees = trees
        self.house = house
        self.detailSeed = detailSeed
    }

    /// The season whose middle is nearest.
    public var nearestSeason: Season {
        let wrapped = wrap(season, 4)
        return Season(rawValue: Int((wrapped + 0.5).rounded(.down)) % 4) ?? .winter
    }

    /// How much of the picture's season is `season`, 0...1; the four add up to 1.
    public func weight(of season: Season) -> Double {
        let distance = abs(wrap(self.season - Double(season.rawValue) + 2, 4) - 2)
        return distance >= 1 ? 0 : smoothstep(0, 1, 1 - distance)
    }

    /// How white the ground is, 0...1: the snow of winter, and what falls now.
    public var groundSnow: Double {
        let falling = weather == .snow ? 0.6 * unit(weatherIntensity) : 0
        let lying = weight(of: .winter)
        return max(terrain == .desert ? 0 : lying, falling)
    }
}
