import Generation
import TensorCore

/// What one part of a training step learns from: latents with noise, at a timestep, under an entry.
struct SliderDraw: Sendable {
    let entry: Int
    /// `[batch, channels, height, width]`.
    let latents: Tensor
    /// What the network is told.
    let timestep: Float
    /// The noise in the latents; visual sliders learn to predict it.
    var noise: Tensor?
    /// Visual sliders: latents of the opposite picture, with the same noise.
    var opposite: Tensor?
    /// The scale of the slider at which the latents are to come out.
    var scale = 1.0
    /// What the picture was cut out of, for models that are told.
    var origin: PictureOrigin?
}
