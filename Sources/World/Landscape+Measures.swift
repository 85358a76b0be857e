extension Landscape {
    /// What a landscape shows. Fog hides how cloudy the sky is, the strength of weather needs weather, and the season
    /// is read from leaves and snow, which a desert, a bare coast and falling snow do not show.
    static let measures: [Measure<Landscape>] = [
        .circle("hour_of_day", period: 24) { $0.hourOfDay },
        .number("cloud_cover", 0...1) { $0.weather == .fog ? nil : $0.cloudCover },
        .number("weather_intensity", 0...1) { landscape in
            switch landscape.weather {
            case .rain, .snow, .fog: landscape.weatherIntensity
            case .clear, .cloud: nil
            }
        },
        .circle("season", period: 4) { landscape in
            let hasLeaves = landscape.terrain != .desert && landscape.trees > 0.3
            let isWinter = landscape.weight(of: .winter) > 0.7
            return hasLeaves && (landscape.weather != .snow || isWinter) ? landscape.season : nil
        },
        .number("trees", 0...1) { $0.trees },
        .label("terrain", Terrain.allCases.map(\.rawValue)) { $0.label(of: .terrain) },
        .label("weather", Weather.allCases.map(\.rawValue)) { $0.label(of: .weather) },
        .label("house", ["no", "yes"]) { $0.label(of: .house) },
    ]
}
