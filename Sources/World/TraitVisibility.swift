extension Scene {
    /// Which traits a picture shows, told by what was read from it: a hat's colour needs a hat, hair a head that no hat
    /// covers, the strength of rain needs rain.
    ///
    /// The rules are those of the world's own descriptions; the readings stand for the description.
    ///
    /// - Parameter values: of every trait of the family, in the order of `traits(of:)`: a number, or a class's index.
    /// - Returns: one answer a trait.
    public static func shownTraits(of family: SceneFamily, values: [Double]) -> [Bool] {
        let traits = traits(of: family)
        precondition(values.count == traits.count, "shownTraits: \(values.count) values, \(traits.count) traits")
        let table = Dictionary(uniqueKeysWithValues: zip(traits.map(\.name), values))
        func number(_ name: String) -> Double { table[name] ?? 0 }
        func choice<Value>(_ name: String, _ values: [Value], _ otherwise: Value) -> Value {
            let index = Int(number(name))
            return values.indices.contains(index) ? values[index] : otherwise
        }
        switch family {
        case .portrait:
            let portrait = Portrait(
                eyeOpenness: number("eye_openness"), hairGrey: number("hair_grey"), hairLength: number("hair_length"),
                hat: choice("hat", Portrait.Hat.allCases, .none))
            return Portrait.measures.map { $0.isShown(portrait) }
        case .landscape:
            let landscape = Landscape(
                weather: choice("weather", Landscape.Weather.allCases, .clear), season: number("season"),
                terrain: choice("terrain", Landscape.Terrain.allCases, .hills), trees: number("trees"))
            return Landscape.measures.map { $0.isShown(landscape) }
        }
    }
}
