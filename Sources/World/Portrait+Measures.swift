extension Portrait {
    /// What a portrait shows. Short hair disappears under a hat, the size of closed eyes cannot be seen, and a hat's
    /// colour needs a hat.
    static let measures: [Measure<Portrait>] = [
        .number("age", 0...1) { $0.age },
        .number("smile", -1...1) { $0.smile },
        .number("eye_size", 0...1, where: { $0.eyeOpenness >= 0.3 }) { $0.eyeSize },
        .number("eye_openness", 0...1) { $0.eyeOpenness },
        .number("head_turn", -1...1) { $0.headTurn },
        .number("skin_tone", 0...1) { $0.skinTone },
        .number("hair_grey", 0...1, where: { $0.showsHairColor }) {
            $0.label(of: .hairColor) == nil ? nil : $0.greyness
        },
        .number("hair_length", 0...1, where: { !$0.coversHair }) { $0.hairLength },
        .number("hair_curl", 0...1, where: { $0.hairLength >= 0.15 && !$0.coversHair }) { $0.hairCurl },
        .number("beard", 0...1) { $0.beard },
        .number("light_direction", -1...1) { $0.lightDirection },
        .number("light_warmth", -1...1) { $0.lightWarmth },
        .label("presentation", Presentation.allCases.map(\.rawValue)) { $0.label(of: .presentation) },
        .label(
            "hair_color", HairColor.allCases.map(\.rawValue) + ["grey", "white"], where: { $0.showsHairColor }
        ) { $0.label(of: .hairColor) },
        .label("glasses", ["no", "yes"]) { $0.label(of: .glasses) },
        .label("hat", Hat.allCases.map(\.rawValue)) { $0.label(of: .hat) },
        .label("hat_color", NamedColor.allCases.map(\.rawValue), where: { $0.hat != .none }) {
            $0.label(of: .hatColor)
        },
        .label("clothing", NamedColor.allCases.map(\.rawValue)) { $0.label(of: .clothing) },
        .label("background", NamedColor.allCases.map(\.rawValue)) { $0.label(of: .background) },
    ]

    /// Whether a hat hides the hair.
    var coversHair: Bool { hat != .none && hairLength < 0.25 }

    /// Whether there is hair enough to have a colour.
    var showsHairColor: Bool { hairLength >= 0.1 && !coversHair }
}
