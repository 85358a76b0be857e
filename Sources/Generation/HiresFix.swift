/// A second pass at a larger size: the finished latents are enlarged, get noise, and are denoised again.
///
/// Large pictures from a model that learned on small ones repeat their subject; the first pass sets the composition at
/// the model's own size. Follows A1111's "Hires. fix" with its latent upscalers and its noise, that of the same seed at the
/// larger size; of the second pass's steps, as in diffusers' image to image, `int(steps * denoisingStrength)` are taken, where
/// A1111 takes as many as it is asked for, of a longer schedule.
public struct HiresFix: Sendable, Hashable, Codable {
    /// How many times wider and higher.
    public var scale: Double
    /// Steps of the second pass's schedule; nil takes the first pass's.
    public var steps: Int?
    /// How much of the way is done again, above 0 up to 1.
    public var denoisingStrength: Double
    public var upscaler: LatentUpscaler

    public init(
        scale: Double = 2, steps: Int? = nil, denoisingStrength: Double = 0.7, upscaler: LatentUpscaler = .bilinear
    ) {
        self.scale = scale
        self.steps = steps
        self.denoisingStrength = denoisingStrength
        self.upscaler = upscaler
    }

    /// The first step that the second pass takes.
    func firstStep(of steps: Int) -> Int { steps - min(Int(Double(steps) * denoisingStrength), steps) }

    /// The second pass as a request of its own; sides are rounded down to whole latents.
    func request(from first: GenerationRequest, latentFactor: Int) -> GenerationRequest {
        var second = first
        second.hires = nil
        second.steps = steps ?? first.steps
        second.width = Int(Double(first.width) * scale) / latentFactor * latentFactor
        second.height = Int(Double(first.height) * scale) / latentFactor * latentFactor
        return second
    }

    func validate(_ first: GenerationRequest, for model: StableDiffusion) throws {
        guard scale >= 1 && scale <= 8 else {
            throw GenerationError("hires scale", expected: "1 to 8", found: "\(scale)")
        }
        guard denoisingStrength > 0 && denoisingStrength <= 1 else {
            throw GenerationError(
                "hires denoising strength", expected: "above 0 up to 1", found: "\(denoisingStrength)")
        }
        let second = request(from: first, latentFactor: model.latentFactor)
        do {
            try second.validate(for: model)
        } catch let error as GenerationError {
            throw GenerationError("hires \(error.subject)", expected: error.expected, found: error.found)
        }
        guard firstStep(of: second.steps) < second.steps else {
            throw GenerationError(
                "hires denoising strength",
                expected: "at least one of \(second.steps) steps (\(1 / Double(second.steps)) or more)",
                found: "\(denoisingStrength)")
        }
    }
}
