extension Scene {
    /// The same scene with another value of a number, by the trait's name; nil for what is no number of its family.
    ///
    /// The weather follows the clouds: clear below half, cloudy above.
    public func setting(_ trait: String, to value: Double) -> Scene? {
        switch self {
        case .portrait(var portrait):
            guard let path = Portrait.numbers[trait] else { return nil }
            portrait[keyPath: path] = value
            return .portrait(portrait)
        case .landscape(var landscape):
            guard let path = Landscape.numbers[trait] else { return nil }
            landscape[keyPath: path] = value
            if trait == "cloud_cover" { landscape.weather = value < 0.5 ? .clear : .cloud }
            return .landscape(landscape)
        }
    }
}

extension Portrait {
    fileprivate static var numbers: [String: WritableKeyPath<Portrait, Double>] {
        [
            "age": \.age, "smile": \.smile, "eye_size": \.eyeSize, "eye_openness": \.eyeOpenness,
            "head_turn": \.headTurn,
            "skin_tone": \.skinTone, "hair_grey": \.hairGrey, "hair_length": \.hairLength, "hair_curl": \.hairCurl,
            "beard": \.beard, "light_direction": \.lightDirection, "light_warmth": \.lightWarmth,
        ]
    }
}

extension Landscape {
    fileprivate static var numbers: [String: WritableKeyPath<Landscape, Double>] {
        [
            "hour_of_day": \.hourOfDay, "cloud_cover": \.cloudCover, "weather_intensity": \.weatherIntensity,
            "season": \.season, "trees": \.trees,
        ]
    }
}
