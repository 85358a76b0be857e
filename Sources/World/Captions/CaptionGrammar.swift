/// A sentence about a scene, and what it says.
public struct Caption: Sendable, Hashable, Codable {
    /// Lower-case ASCII, fewer than 40 words.
    public let text: String
    /// What the text names, the family first; each equals the scene's own label.
    public let attributes: [NamedAttribute]
}

/// Writes captions: a random subset of a scene's attributes, in varying order and wording.
public enum CaptionGrammar {
    /// A caption that is a pure function of its arguments.
    ///
    /// - Parameters:
    ///   - variation: chooses which attributes are named (1 to 7 of them) and how.
    ///   - favoured: attributes that are named half of the time, before others.
    public static func caption(for scene: Scene, variation: UInt64, favouring favoured: [Attribute] = []) -> Caption {
        var random = SplitMix64(seed: variation, index: 0xCA97)
        var candidates = random.shuffled(nameable(in: scene))
        if !favoured.isEmpty {
            let first = candidates.filter { favoured.contains($0) && random.chance(0.5) }
            candidates = first + candidates.filter { !first.contains($0) }
        }
        // Mostly two to four, sometimes one, sometimes most of them.
        let count = 1 + min(random.index(7), random.index(9))
        return caption(for: scene, naming: Array(candidates.prefix(count)), variation: variation)
    }

    /// A caption that names the given attributes, as far as the scene has a class for them and words fit it.
    ///
    /// Some come with others: a hat's colour names the hat, a child is a boy or a girl by presentation.
    public static func caption(for scene: Scene, naming attributes: [Attribute], variation: UInt64) -> Caption {
        let possible = nameable(in: scene)
        let wanted = attributes.filter { possible.contains($0) }
        let random = SplitMix64(seed: variation, index: 0x7E87)
        var writer = CaptionWriter(scene: scene, wanted: Set(wanted), order: wanted, random: random)
        switch scene {
        case .portrait: writer.writePortrait()
        case .landscape: writer.writeLandscape()
        }
        return writer.finished()
    }

    /// The attributes of a scene that the grammar has words for.
    ///
    /// Absent things go unnamed (no "without glasses"), except where their absence is a trait of its own.
    public static func nameable(in scene: Scene) -> [Attribute] {
        scene.labels.filter { label in
            switch label.attribute {
            case .family: false
            case .glasses, .house: label.value == "yes"
            case .hat: label.value != "none"
            case .beard: label.value != "none" || isGrownMan(scene)
            case .partOfDay: scene.label(of: .time) == "day"
            default: true
            }
        }.map(\.attribute)
    }

    private static func isGrownMan(_ scene: Scene) -> Bool {
        scene.label(of: .presentation) == "man" && scene.label(of: .age) != "child"
    }

    /// Every word that can appear in a caption, sorted; punctuation is the comma.
    public static let vocabulary: [String] = {
        var texts = Phrases.joiningWords + Phrases.portraitOpenings + Phrases.landscapeOpenings + Phrases.clothes
        texts += NamedColor.allCases.map(\.rawValue)
        for values in Phrases.hairWords.values { texts += values.values.flatMap { $0 } }
        texts += Phrases.hats.values.flatMap { $0 } + Phrases.people.values.flatMap { $0 }
        texts += Phrases.places.values.flatMap { $0 }
        for table in [Phrases.portrait, Phrases.landscape] {
            for values in table.values { texts += values.values.flatMap { $0.map(\.text) } }
        }
        texts += Phrases.cactuses.values.flatMap { $0.map(\.text) }
        texts += Phrases.strongWeather.values.flatMap { $0.map(\.text) }
        return Set(texts.flatMap { $0.split(separator: " ").map(String.init) }).sorted()
    }()
}

/// A caption for `scene`, see `CaptionGrammar.caption(for:variation:)`.
public func caption(for scene: Scene, variation: UInt64) -> Caption {
    CaptionGrammar.caption(for: scene, variation: variation)
}
