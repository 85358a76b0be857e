extension Landscape {
    /// The thresholds behind the words for landscapes.
    ///
    /// | attribute | classes by rising value |
    /// |---|---|
    /// | time (hour) | night 4.8 (none) 5 dawn 7.2 day 16.8 sunset 19.2 dusk 20.8 night |
    /// | partOfDay (hour) | 7.2 morning 10.5 (none) 11 noon 13.5 (none) 14 afternoon 16.8 |
    /// | weather | the kind; clear only below a cover of 0.35, cloud only above 0.4 |
    /// | weatherStrength | of rain and snow: light 0.45 (none) 0.7 heavy |
    /// | clouds (cover) | in clear and cloudy weather: none 0.1 (none) 0.2 few 0.45 cloudy 0.8 overcast |
    /// | season | the nearest, less than 0.36 off; not in the desert, by the sea only in winter or with trees |
    /// | trees | none 0.04 (none) 0.12 few 0.45 (none) 0.6 many |
    func label(of attribute: Attribute) -> String? {
        switch attribute {
        case .terrain: return terrain.rawValue
        case .time:
            return bin(
                wrap(hourOfDay, 24),
                [(4.8, "night"), (5, nil), (7.2, "dawn"), (16.8, "day"), (19.2, "sunset"), (20.8, "dusk")],
                otherwise: "night")
        case .partOfDay:
            return bin(
                wrap(hourOfDay, 24),
                [(7.2, nil), (10.5, "morning"), (11, nil), (13.5, "noon"), (14, nil), (16.8, "afternoon")],
                otherwise: nil)
        case .weather:
            switch weather {
            case .clear: return cloudCover < 0.35 ? "clear" : nil
            case .cloud: return cloudCover > 0.4 ? "cloud" : nil
            case .rain, .snow, .fog: return weather.rawValue
            }
        case .weatherStrength:
            guard weather == .rain || weather == .snow else { return nil }
            return bin(weatherIntensity, [(0.45, "light"), (0.7, nil)], otherwise: "heavy")
        case .clouds:
            guard weather == .clear || weather == .cloud else { return nil }
            // In between there is half a cloud at the edge, for which people have no word.
            return bin(cloudCover, [(0.1, "none"), (0.2, nil), (0.45, "few"), (0.8, "cloudy")], otherwise: "overcast")
        case .season:
            let name = "\(nearestSeason)"
            guard weight(of: nearestSeason) > 0.7 else { return nil }
            switch terrain {
            case .mountains, .hills: return name
            case .sea: return nearestSeason == .winter || trees > 0.3 ? name : nil
            case .desert: return nil
            }
        case .trees: return bin(trees, [(0.04, "none"), (0.12, nil), (0.45, "few"), (0.6, nil)], otherwise: "many")
        case .house: return house ? "yes" : "no"
        default: return nil
        }
    }
}
