extension Landscape {
    /// What a landscape shows. Fog hides how cloudy the sky is, the strength of weather needs weather, and the season
    /// is read from leaves and snow, which a desert, a bare coast and falling snow do not show.
    static let measures: [Measure<Landscape>] = [
        .circle("hour_of_day", period: 24) { $0.hourOfDay },
        .number("cloud_cover", 0...1, where: { $0.weather != .fog }) { $0.cloudCover },
        .number("weather_intensity", 0...1, where: { [.rain, .snow, .fog].contains($0.weather) }) {
            $0.weatherIntensity
        },
        .circle("season", period: 4, where: { $0.showsSeason }) { $0.season },
        .number("trees", 0...1) { $0.trees },
        .label("terrain", Terrain.allCases.map(\.rawValue)) { $0.label(of: .terrain) },
        .label("weather", Weather.allCases.map(\.rawValue)) { $0.label(of: .weather) },
        .label("house", ["no", "yes"]) { $0.label(of: .house) },
    ]

    /// Whether leaves or snow tell the season.
    var showsSeason: Bool {
        let isWinter = weight(of: .winter) > 0.7
        return terrain != .desert && trees > 0.3 && (weather != .snow || isWinter)
    }
}
