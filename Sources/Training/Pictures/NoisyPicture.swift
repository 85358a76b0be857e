import DiffusionModels
import Generation
import Layers
import Samplers
import TensorCore

/// A picture as a training shows it to the model: its latents at one noise, with what it is said to be.
struct NoisyPicture: Sendable {
    /// `[1, channels, height, width]`.
    var clean: Tensor
    /// Of the same shape.
    var noise: Tensor
    var timestep: Int
    var text: TextConditioning
    /// Width and height of the file, which SDXL is told; those of the cut when nil.
    var originalSize: (width: Int, height: Int)?
}

extension StableDiffusion {
    /// How wrong the prediction for a noisy picture is.
    ///
    ///     loss = mean (v - e(x_t, t, text))²,    x_t = sqrt(ᾱ) clean + sqrt(1 - ᾱ) noise
    ///
    /// `v` is what the model predicts: the noise, or the velocity for v-prediction.
    func loss(of picture: NoisyPicture, _ schedule: NoiseSchedule, _ pass: Pass) -> Tensor {
        let (clean, timesteps) = (picture.clean, [picture.timestep])
        let noisy = schedule.addNoise(clean, noise: picture.noise, timesteps: timesteps)
        let added = addedConditioning(
            picture.text, width: clean.size(3) * latentFactor, height: clean.size(2) * latentFactor,
            origin: picture.originalSize.map { PictureOrigin(width: $0.width, height: $0.height) }, isNegative: false)
        let predicted = unet(
            noisy, timesteps: Tensor([Float(picture.timestep)]), context: picture.text.context, added: added, pass)
        let target = schedule.target(
            clean, noise: picture.noise, timesteps: timesteps, prediction: scheduler.predictionType)
        return meanSquaredError(predicted, target)
    }
}
