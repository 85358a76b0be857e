import DiffusionModels
public import Imaging
import Layers
import Samplers
import TensorCore

/// A picture to start from instead of noise, and what of it may change.
public struct StartingPicture: Sendable, Equatable {
    public var picture: Image
    /// How much of the way is done again, above 0 up to 1: 1 keeps next to nothing of the picture.
    public var strength: Double
    /// White where the picture is to be painted anew, black where it stays; nil changes all of it.
    public var mask: Image?
    /// How its noise is found; nil draws it (SDEdit).
    public var inversion: Inversion?

    public init(_ picture: Image, strength: Double = 0.75, mask: Image? = nil, inversion: Inversion? = nil) {
        self.picture = picture
        self.strength = strength
        self.mask = mask
        self.inversion = inversion
    }

    /// The step that a trajectory of `steps` begins with: `steps - min(int(steps * strength), steps)`.
    ///
    /// Follows diffusers `StableDiffusionImg2ImgPipeline.get_timesteps`.
    func firstStep(of steps: Int) -> Int { Self.firstStep(of: steps, strength: strength) }

    static func firstStep(of steps: Int, strength: Double) -> Int { steps - min(Int(Double(steps) * strength), steps) }

    /// The picture in the size of the request: `[1, 3, height, width]` in -1...1.
    func pixels(for request: GenerationRequest) -> Tensor {
        Tensor(images: [picture.resized(width: request.width, height: request.height)])
    }

    /// Checks the strength against a request before any compute.
    public func validate(for request: GenerationRequest) throws {
        guard strength > 0 && strength <= 1 else {
            throw GenerationError("strength", expected: "above 0 up to 1", found: "\(strength)")
        }
        guard firstStep(of: request.steps) < request.steps else {
            throw GenerationError(
                "strength", expected: "at least one of \(request.steps) steps (\(1 / Double(request.steps)) or more)",
                found: "\(strength)")
        }
        guard inversion == nil || mask == nil else {
            throw GenerationError("inversion", expected: "no mask beside it", found: "one")
        }
    }
}

extension StableDiffusion {
    /// The latents that the encoder finds likeliest.
    ///
    /// - Throws: `GenerationError` for infinite ones or NaN.
    func likeliestLatents(_ pixels: Tensor, _ pass: Pass) throws(GenerationError) -> Tensor {
        try finite(autoencoder.scaled(autoencoder.encode(pixels, pass).mean))
    }

    /// What the autoencoder's encoder gave.
    fileprivate func finite(_ latents: Tensor) throws(GenerationError) -> Tensor {
        guard latents.isFinite else {
            throw GenerationError(
                files.autoencoder, expected: "an encoder that gives finite latents for a picture",
                found: "infinite or NaN ones (another one takes its place with --vae)")
        }
        return latents
    }

    /// Pixels as latents of the diffusion model's scale, drawn from the autoencoder's distribution.
    fileprivate func encode(_ pixels: Tensor, random: inout any RandomSource, _ pass: Pass) -> Tensor {
        let posterior = autoencoder.encode(pixels, pass)
        return autoencoder.scaled(posterior.sample(noise: random.normal(posterior.mean.shape)))
    }
}

/// The parts of a starting picture that the denoising loop uses, as latents.
struct StartingLatents: Sendable {
    /// The picture without noise.
    private let clean: Tensor
    private let noise: Tensor
    /// 1 where the picture is painted anew: `[1, 1, height, width]`.
    private let mask: Tensor?
    private let beginsWithNoise: Bool

    /// Encodes the picture and draws its noise.
    ///
    /// The random stream is used in diffusers' order: the autoencoder's sample first, then the noise.
    ///
    /// - Throws: `GenerationError` for an encoder that gives infinite latents or NaN.
    init(
        _ start: StartingPicture, _ request: GenerationRequest, _ model: StableDiffusion,
        random: inout any RandomSource, _ pass: Pass
    ) throws(GenerationError) {
        clean = try model.finite(model.encode(start.pixels(for: request), random: &random, pass))
        noise = random.normal(clean.shape)
        mask = start.mask.map { $0.latentMask(request, factor: model.latentFactor) }
        beginsWithNoise = start.mask != nil && start.strength == 1
        // diffusers encodes the masked picture, too, for UNets that read it; others only use up its random numbers.
        if mask != nil && !model.readsMask { _ = random.normal(clean.shape) }
    }

    /// Where the trajectory begins: at pure noise where all of a masked picture is done again.
    func initial(_ sampler: Sampler, at evaluation: Int) -> Tensor {
        beginsWithNoise
            ? noise * Double(sampler.initialNoiseScale) : sampler.noised(clean, noise: noise, at: evaluation)
    }

    /// Puts the picture's own latents, with the noise of the next step, back where nothing is to change.
    ///
    ///     (1 - mask) · noised + mask · latents
    ///
    /// Follows diffusers `StableDiffusionInpaintPipeline`.
    func restored(_ latents: Tensor, _ sampler: Sampler, next evaluation: Int?) -> Tensor {
        guard let mask else { return latents }
        let original = evaluation.map { sampler.noised(clean, noise: noise, at: $0) } ?? clean
        return (1 - mask) * original + mask * latents
    }
}

extension Image {
    /// White as 1, black as 0, decided in the middle: `[1, 1, height, width]`.
    func binaryMask(width: Int, height: Int) -> Tensor {
        let sized = resized(width: width, height: height, filter: .bilinear)
        let values = (0..<width * height).map { index -> Float in
            let sum = (0..<3).reduce(0) { $0 + Int(sized.pixels[3 * index + $1]) }
            return sum >= 3 * 128 ? 1 : 0
        }
        return Tensor(values, shape: [1, 1, height, width])
    }

    /// The mask in the size of the latents, the upper left pixel of each block deciding.
    func latentMask(_ request: GenerationRequest, factor: Int) -> Tensor {
        let full = binaryMask(width: request.width, height: request.height)
        return full.narrowed(2, start: 0, count: request.height / factor, step: factor)
            .narrowed(3, start: 0, count: request.width / factor, step: factor).contiguous()
    }
}

/// What a UNet that was trained to inpaint reads beside the latents: the mask, and the picture without what is masked.
struct InpaintingChannels: Sendable {
    /// `[1, 1 + latentChannels, height, width]`.
    let channels: Tensor

    /// Nil for a UNet that reads latents alone. Without a picture everything is masked.
    init?(
        _ start: StartingPicture?, _ request: GenerationRequest, _ model: StableDiffusion,
        random: inout any RandomSource, _ pass: Pass
    ) {
        guard model.readsMask else { return nil }
        let (width, height) = (request.width, request.height)
        let mask = start?.mask ?? Image(width: width, height: height)
        let hidden = mask.binaryMask(width: width, height: height)
        let visible = start.map { $0.pixels(for: request) * (1 - hidden) } ?? Tensor.zeros([1, 3, height, width])
        let latents = model.encode(visible, random: &random, pass)
        channels = concatenated([mask.latentMask(request, factor: model.latentFactor), latents], axis: 1)
    }
}
