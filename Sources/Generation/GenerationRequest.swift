public import Samplers

/// What to draw and how: everything that determines a picture, given the model.
public struct GenerationRequest: Sendable, Hashable, Codable {
    public var prompt: String
    /// What to avoid; nil when none was given, which some models read in a way of their own.
    public var negativePrompt: String?
    public var steps: Int
    /// How strongly the prompt pulls; at 1 or below the unconditional prediction is not computed.
    public var guidanceScale: Double
    public var seed: UInt64
    /// Whose random numbers the seed stands for; nil is `cpu`.
    public var noise: NoiseSource?
    public var width: Int
    public var height: Int
    /// The layer of the text encoder that is read, counted from the last, which is 1; nil takes the model's own.
    public var clipSkip: Int?
    /// The sampler's name; nil takes the model's own.
    public var sampler: String?
    /// The schedule's name; nil takes the model's own.
    public var schedule: String?
    /// The share of fresh noise, for samplers that know one; nil takes the sampler's own.
    public var eta: Float?
    /// How far guided predictions go back to the conditional one's spread, from 0 to 1; nil is 0.
    public var guidanceRescale: Double?
    /// Styles with a branch of guidance each.
    public var styles: [StyleGuidance]?
    /// Directions between prompts that are followed without training.
    public var directions: [ConceptDirection]?
    /// What the model predicts; nil takes its scheduler's word.
    public var prediction: PredictionType?
    /// A second pass at a larger size.
    public var hires: HiresFix?
    /// Whether the picture is decoded in tiles, which needs less memory; nil decodes it at once.
    public var vaeTiling: Bool?
    /// The side of those tiles in latents; nil takes the size that the autoencoder was trained on.
    public var vaeTileSize: Int?

    public init(
        prompt: String, negativePrompt: String? = nil, steps: Int = 20, guidanceScale: Double = 7, seed: UInt64 = 42,
        width: Int, height: Int, sampler: String? = nil, schedule: String? = nil, eta: Float? = nil,
        guidanceRescale: Double? = nil, prediction: PredictionType? = nil, clipSkip: Int? = nil
    ) {
        self.prompt = prompt
        self.negativePrompt = negativePrompt
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.seed = seed
        self.width = width
        self.height = height
        self.sampler = sampler
        self.schedule = schedule
        self.eta = eta
        self.guidanceRescale = guidanceRescale
        self.prediction = prediction
        self.clipSkip = clipSkip
    }

    /// The rules of guidance beside the plain one, in the order in which they are added.
    public var guidanceTerms: [any GuidanceTerm] { (styles ?? []) as [any GuidanceTerm] + (directions ?? []) }

    var noiseSource: NoiseSource { noise ?? .cpu }

    /// The sampler that the request means, for a model of this configuration.
    ///
    /// - Throws: `SamplerError` for unknown names and for what does not go together.
    public func makeSampler(_ configuration: SchedulerConfiguration) throws(SamplerError) -> Sampler {
        var configuration = configuration
        if let prediction { configuration.predictionType = prediction }
        return try Sampler(
            named: sampler ?? configuration.samplerName, schedule: schedule, configuration: configuration, steps: steps,
            eta: eta)
    }

    /// Checks the request against a model before any compute.
    public func validate(for model: StableDiffusion) throws {
        let factor = model.latentFactor
        // The UNet halves the latents between its levels and meets the skip connections' sizes when they are odd.
        for (name, value) in [("width", width), ("height", height)] {
            guard value >= factor && value <= 4096 && value % factor == 0 else {
                throw GenerationError(
                    name, expected: "a multiple of \(factor) from \(factor) to 4096", found: "\(value)")
            }
        }
        guard (1...1000).contains(steps) else {
            throw GenerationError("steps", expected: "1 to 1000", found: "\(steps)")
        }
        if let clipSkip {
            guard (1...model.text.layers).contains(clipSkip) else {
                throw GenerationError("clip skip", expected: "1 to \(model.text.layers)", found: "\(clipSkip)")
            }
        }
        guard (0...1000).contains(guidanceScale) else {
            throw GenerationError("guidance scale", expected: "0 to 1000", found: "\(guidanceScale)")
        }
        if let guidanceRescale, !(0...1).contains(guidanceRescale) {
            throw GenerationError("guidance rescale", expected: "a number from 0 to 1", found: "\(guidanceRescale)")
        }
        for term in guidanceTerms { try term.validate() }
        try LoRATags.refuse(in: negativePrompt ?? "", "negative prompt")
        if let vaeTileSize, !(4...4096).contains(vaeTileSize) {
            throw GenerationError("VAE tile size", expected: "4 to 4096 latents", found: "\(vaeTileSize)")
        }
        try hires?.validate(self, for: model)
    }
}
