public import World

/// A picture to draw for a slider's measurement.
public struct SliderCase: Sendable, Hashable, Codable {
    /// Names nothing of what the slider moves.
    public var prompt: String
    public var seed: UInt64
    /// The same scene's prompt with words for much of the target; nil where there are none.
    public var raised: String?

    public init(prompt: String, seed: UInt64, raised: String? = nil) {
        self.prompt = prompt
        self.seed = seed
        self.raised = raised
    }
}

/// The prompts and seeds that sliders are measured over: captions of scenes of the world, none of a combination that
/// the model was not shown.
public struct SliderCases: Sendable {
    public var seed: UInt64 = 7_301
    public var prompts = 50
    /// Pictures of each prompt.
    public var seeds = 4

    public init(prompts: Int = 50, seeds: Int = 4) {
        self.prompts = prompts
        self.seeds = seeds
    }

    /// - Parameters:
    ///   - hidden: traits whose words the captions leave out.
    ///   - raised: the trait that `SliderCase.raised` has words for.
    public func callAsFunction(
        family: SceneFamily, without hidden: [String], raising raised: String? = nil
    ) -> [SliderCase] {
        let sampler = SceneSampler(seed: seed, portraitShare: family == .portrait ? 1 : 0, holdingOut: true)
        let words = hidden.reduce(into: Set<Attribute>()) { $0.formUnion(Attribute.naming($1)) }
        return (0..<prompts).flatMap { index -> [SliderCase] in
            let scene = sampler.sample(index: index)
            let variation = UInt64(index)
            let named = CaptionGrammar.caption(for: scene, variation: variation).attributes.map(\.attribute)
                .filter { !words.contains($0) && $0 != .family }
            let text = CaptionGrammar.caption(for: scene, naming: named, variation: variation).text
            let raisedText = raised.flatMap { self.raised(scene, $0, named: named, variation: variation) }
            return (0..<seeds).map {
                SliderCase(
                    prompt: text, seed: UInt64(index * seeds + $0), raised: raisedText == text ? nil : raisedText)
            }
        }
    }

    /// The caption with words for much of the trait: 0.85 of its range, 0.95 on a circle, whose words are narrower.
    private func raised(_ scene: Scene, _ name: String, named: [Attribute], variation: UInt64) -> String? {
        let derived = DerivedTrait.all.first { $0.name == name }
        guard let attribute = Attribute.word(for: name) else { return nil }
        let trait = Scene.traits(of: scene.family).first { $0.name == derived?.source ?? name }
        let value: Double
        switch (derived, trait?.kind) {
        case (let derived?, _): value = derived.position(of: 0.95)
        case (nil, .number(let low, let high)): value = low + 0.85 * (high - low)
        default: return nil
        }
        guard let changed = scene.setting(derived?.source ?? name, to: value),
            CaptionGrammar.nameable(in: changed).contains(attribute)
        else { return nil }
        return CaptionGrammar.caption(for: changed, naming: named + [attribute], variation: variation).text
    }
}

extension Attribute {
    /// The attributes whose words say something of a trait.
    static func naming(_ trait: String) -> Set<Attribute> {
        switch trait {
        case "age": [.age, .hairColor]
        case "smile": [.mood]
        case "eye_size", "eye_openness": [.eyes]
        case "head_turn": [.turn]
        case "skin_tone": [.skin]
        case "hair_grey", "hair_color": [.hairColor, .age]
        case "hair_length": [.hairLength]
        case "hair_curl": [.hairTexture]
        case "hat_color": [.hatColor]
        case "beard": [.beard]
        case "light_direction": [.lightSide]
        case "light_warmth": [.lightTone]
        case "hour_of_day", "nightfall": [.time, .partOfDay]
        case "cloud_cover": [.clouds, .weather, .weatherStrength]
        case "weather_intensity": [.weatherStrength, .weather]
        case "season", "leaf_warmth": [.season]
        case "trees": [.trees]
        default: Attribute(rawValue: trait).map { [$0] } ?? []
        }
    }

    /// The attribute whose words say how much of a trait there is.
    static func word(for trait: String) -> Attribute? {
        switch trait {
        case "age": .age
        case "hair_grey": .hairColor
        case "hour_of_day", "nightfall": .time
        case "cloud_cover": .clouds
        case "weather_intensity": .weatherStrength
        default: naming(trait).count == 1 ? naming(trait).first : nil
        }
    }
}
