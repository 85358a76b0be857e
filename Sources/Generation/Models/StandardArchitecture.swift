public import DiffusionModels
import Layers
public import TextModels

/// The shapes of the networks that most checkpoints have.
public enum StandardArchitecture: String, Sendable, CaseIterable {
    /// Stable Diffusion 1.x, 512x512.
    case sd15
    /// Stable Diffusion 2.x, 768x768.
    case sd21
    /// Stable Diffusion XL base, 1024x1024.
    case sdxl

    public var unet: UNet2DConditionConfiguration {
        var unet = UNet2DConditionConfiguration()
        switch self {
        case .sd15: unet.crossAttentionDim = .all(768)
        case .sd21:
            unet.sampleSize = 96
            unet.attentionHeads = .each([5, 10, 20, 20])
            unet.crossAttentionDim = .all(1024)
            unet.useLinearProjection = true
        case .sdxl:
            unet.sampleSize = 128
            unet.downBlockTypes = ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]
            unet.upBlockTypes = ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]
            unet.blockOutChannels = [320, 640, 1280]
            unet.transformerLayersPerBlock = .each([1, 2, 10])
            unet.attentionHeads = .each([5, 10, 20])
            unet.crossAttentionDim = .all(2048)
            unet.useLinearProjection = true
            unet.additionEmbedType = "text_time"
            unet.additionTimeEmbedDim = 256
            unet.projectionInputDim = 2816
        }
        return unet
    }

    public var autoencoder: AutoencoderKLConfiguration {
        var autoencoder = AutoencoderKLConfiguration()
        autoencoder.blockOutChannels = [128, 256, 512, 512]
        autoencoder.downBlockTypes = Array(repeating: "DownEncoderBlock2D", count: 4)
        autoencoder.upBlockTypes = Array(repeating: "UpDecoderBlock2D", count: 4)
        autoencoder.layersPerBlock = 2
        autoencoder.sampleSize = unet.sampleSize * 8
        return autoencoder
    }

    /// The text encoders, in the order in which the UNet reads them: CLIP-L or OpenCLIP-H, and with XL OpenCLIP-bigG.
    public var textEncoders: [CLIPTextConfiguration] {
        if self == .sd21 {
            var huge = CLIPTextConfiguration()
            huge.hiddenSize = 1024
            huge.intermediateSize = 4096
            huge.layers = 23
            huge.heads = 16
            huge.projectionSize = 512
            huge.activation = .gelu
            return [huge]
        }
        var large = CLIPTextConfiguration()
        large.hiddenSize = 768
        large.intermediateSize = 3072
        large.heads = 12
        large.projectionSize = 768
        guard self == .sdxl else { return [large] }
        var big = CLIPTextConfiguration()
        big.hiddenSize = 1280
        big.intermediateSize = 5120
        big.layers = 32
        big.heads = 20
        big.projectionSize = 1280
        big.activation = .gelu
        big.architectures = ["CLIPTextModelWithProjection"]
        return [large, big]
    }
}
