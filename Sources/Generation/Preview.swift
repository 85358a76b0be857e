import DiffusionModels
public import Imaging
import TensorCore

/// A quick look at a picture in the making. The names are stable-diffusion.cpp's.
public enum PreviewMethod: String, Sendable, CaseIterable {
    /// A linear map from latents to colours, one pixel a latent.
    case projection = "proj"
    /// The tiny autoencoder.
    case tinyAutoencoder = "tae"
    /// The autoencoder itself.
    case autoencoder = "vae"

    /// Checks, before any step, that the model has what the method needs.
    ///
    /// - Throws: `GenerationError`.
    public func validate(for model: StableDiffusion) throws(GenerationError) {
        switch self {
        case .projection:
            guard model.autoencoder.configuration.latentChannels == 4 else {
                throw GenerationError(
                    "preview proj", expected: "a model with 4 latent channels (tae and vae work with any)",
                    found: "\(model.autoencoder.configuration.latentChannels)")
            }
        case .tinyAutoencoder:
            guard model.tinyAutoencoder != nil else {
                throw GenerationError("preview tae", expected: "a tiny autoencoder (--taesd)", found: "none")
            }
        case .autoencoder: break
        }
    }
}

extension Denoising {
    /// The picture that the model has in mind at this step.
    ///
    /// The drawing itself is not touched: with previews and without, the final latents are the same bits.
    ///
    /// - Throws: `GenerationError` for latents or colours that are infinite or NaN.
    public func preview(_ method: PreviewMethod) throws(GenerationError) -> Image {
        let latents = denoised ?? latents
        switch method {
        case .projection: return LatentColors(isXL: model.unet.configuration.additionEmbedType != nil).picture(latents)
        case .tinyAutoencoder, .autoencoder:
            return try model.picture(of: latents, usesTiny: method == .tinyAutoencoder)
        }
    }
}

/// How much each latent channel counts in red, green and blue.
///
///     colour = latents · factors + bias,   in -1...1
///
/// The numbers are those of stable-diffusion.cpp, fitted to each family's autoencoder.
private struct LatentColors {
    /// `[channel][colour]`.
    private let factors: [[Float]]
    private let bias: [Float]

    init(isXL: Bool) {
        if isXL {
            factors = [
                [0.258303, 0.277640, 0.329699], [-0.299701, 0.105446, 0.014194], [0.050522, 0.186163, -0.143257],
                [-0.211938, -0.149892, -0.080036],
            ]
            bias = [0.144381, -0.033313, 0.007061]
        } else {
            factors = [
                [0.337366, 0.216344, 0.257386], [0.165636, 0.386828, 0.046994], [-0.267803, 0.237036, 0.223517],
                [-0.178022, -0.200862, -0.678514],
            ]
            bias = [-0.017478, -0.055834, -0.105825]
        }
    }

    /// - Parameter latents: `[1, 4, height, width]`, of the diffusion model's scale.
    func picture(_ latents: Tensor) -> Image {
        let matrix = Tensor(factors.flatMap(\.self), shape: [4, 3])
        let colors = matmul(latents.permuted([0, 2, 3, 1]).contiguous(), matrix) + Tensor(bias, shape: [1, 1, 1, 3])
        return colors.permuted([0, 3, 1, 2]).images()[0]
    }
}
