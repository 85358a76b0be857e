/// The prompts of one training entry of a text slider, as Concept Sliders' prompt files have them.
///
/// Missing keys follow the original: `positive` is the target, `unconditional` (the opposite concept) empty, `neutral`
/// the opposite. `guidance` stands for `guidance_scale`, as many published files spell it; `rank`, which such files have
/// beside it, means nothing there.
public struct SliderPrompt: Codable, Sendable, Hashable {
    public enum Action: String, Codable, Sendable, CaseIterable {
        /// Towards the positive concept.
        case enhance
        /// Away from it.
        case erase
    }

    public var target: String
    public var positive: String
    /// The opposite concept.
    public var opposite: String
    public var neutral: String
    public var action: Action
    public var guidanceScale: Double
    /// Height and width of the pictures in pixels; nil takes the model's own.
    public var resolution: Int?
    /// Whether height and width are drawn anew each step, multiples of 64 from half the resolution up.
    public var dynamicResolution: Bool
    /// Pictures of one draw.
    public var batchSize: Int
    /// Whether SDXL is told sizes and crops at random.
    public var dynamicCrops: Bool

    public init(
        target: String, positive: String, opposite: String, neutral: String? = nil, action: Action = .enhance,
        guidanceScale: Double = 1, resolution: Int? = nil, batchSize: Int = 1
    ) {
        self.target = target
        self.positive = positive
        self.opposite = opposite
        self.neutral = neutral ?? target
        self.action = action
        self.guidanceScale = guidanceScale
        self.resolution = resolution
        self.batchSize = batchSize
        dynamicResolution = false
        dynamicCrops = false
    }

    enum CodingKeys: String, CodingKey {
        case target, positive, unconditional, opposite, neutral, action, guidance, resolution, rank
        case guidanceScale = "guidance_scale"
        case dynamicResolution = "dynamic_resolution"
        case batchSize = "batch_size"
        case dynamicCrops = "dynamic_crops"
    }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        target = try keys.decode(String.self, forKey: .target)
        positive = try keys.decodeIfPresent(String.self, forKey: .positive) ?? target
        let named = try keys.decodeIfPresent(String.self, forKey: .opposite)
        opposite = try named ?? keys.decodeIfPresent(String.self, forKey: .unconditional) ?? ""
        neutral = try keys.decodeIfPresent(String.self, forKey: .neutral) ?? opposite
        action = try keys.decodeIfPresent(Action.self, forKey: .action) ?? .erase
        let alias = try keys.decodeIfPresent(Double.self, forKey: .guidance)
        guidanceScale = try keys.decodeIfPresent(Double.self, forKey: .guidanceScale) ?? alias ?? 1
        resolution = try keys.decodeIfPresent(Int.self, forKey: .resolution)
        dynamicResolution = try keys.decodeIfPresent(Bool.self, forKey: .dynamicResolution) ?? false
        batchSize = try keys.decodeIfPresent(Int.self, forKey: .batchSize) ?? 1
        dynamicCrops = try keys.decodeIfPresent(Bool.self, forKey: .dynamicCrops) ?? false
        _ = try keys.decodeIfPresent(Int.self, forKey: .rank)
    }

    public func encode(to encoder: any Encoder) throws {
        var keys = encoder.container(keyedBy: CodingKeys.self)
        try keys.encode(target, forKey: .target)
        try keys.encode(positive, forKey: .positive)
        try keys.encode(opposite, forKey: .unconditional)
        try keys.encode(neutral, forKey: .neutral)
        try keys.encode(action, forKey: .action)
        try keys.encode(guidanceScale, forKey: .guidanceScale)
        try keys.encodeIfPresent(resolution, forKey: .resolution)
        try keys.encode(dynamicResolution, forKey: .dynamicResolution)
        try keys.encode(batchSize, forKey: .batchSize)
        try keys.encode(dynamicCrops, forKey: .dynamicCrops)
    }

    /// The entry with an attribute that is to stay as it is put before each of its prompts.
    func preserving(_ attribute: String) -> SliderPrompt {
        var copy = self
        func prefixed(_ text: String) -> String { text.isEmpty ? attribute : "\(attribute) \(text)" }
        copy.target = prefixed(target)
        copy.positive = prefixed(positive)
        copy.opposite = prefixed(opposite)
        copy.neutral = prefixed(neutral)
        return copy
    }
}
