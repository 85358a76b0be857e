import DiffusionModels
import Foundation
import Optimizers
import TensorCore

/// Starts an autoencoder as a picture pyramid: its first three channels carry the mean colour of each latent's block of
/// pixels from end to end, and everything else is free to learn.
///
/// A randomly started autoencoder spends its first thousands of steps on finding that colours exist: one latent channel
/// learns brightness, and the group norms at the ends of encoder and decoder divide the rest away. Here the skip path
/// is set by hand. Convolutions on it pass channels 0, 1 and 2 on (downsampling ones average 2x2 pixels), residual
/// branches are silent, and two constant channels of opposite sign dominate the variance of the first group, so that
/// the last group norm and SiLU are nearly the identity for the colours:
///
///     x̂ = (x - mean) / deviation,    x = deviation · (x̂ - (x̂₊ + x̂₋) / 2)
struct PyramidStart {
    private let configuration: AutoencoderKLConfiguration
    private let logVariance: Double
    /// The deviation that the constant channels give to the first group.
    private let deviation = 1.5
    /// A bias under which SiLU is nearly the identity.
    private let lift = 3.0
    private let colors = 0..<3
    private let anchors = (positive: 3, negative: 4)

    /// Nil when the first group has no room for three colours and two constants.
    init?(_ configuration: AutoencoderKLConfiguration, logVariance: Double) {
        guard let narrowest = configuration.blockOutChannels.min(), narrowest / configuration.normGroups >= 5,
            configuration.latentChannels >= 3
        else { return nil }
        self.configuration = configuration
        self.logVariance = logVariance
    }

    /// The layers that hold the constants: outputs react to them many times more strongly than to others, so they learn
    /// more slowly.
    var groups: [ParameterGroup] {
        let depth = configuration.blockOutChannels.count - 1
        return [
            "encoder.conv_norm_out", "encoder.conv_out", "encoder.down_blocks.\(depth).resnets.0.conv_shortcut",
            "decoder.conv_norm_out", "decoder.conv_out", "decoder.up_blocks.\(depth).resnets.0.conv_shortcut",
        ].map { ParameterGroup(prefix: $0, learningRateFactor: 0.03) }
    }

    func apply(to parameters: inout ParameterSet) {
        for (path, tensor) in parameters.tensors {
            guard let kernel = Kernel(path) else { continue }
            parameters.tensors[path] = kernel == .average ? averaging(tensor) : passing(tensor)
        }
        let depth = configuration.blockOutChannels.count - 1
        setEnd("encoder", lastShortcut: "encoder.down_blocks.\(depth).resnets.0.conv_shortcut", &parameters)
        setEnd("decoder", lastShortcut: "decoder.up_blocks.\(depth).resnets.0.conv_shortcut", &parameters)
        setNoise(&parameters)
    }

    /// What a convolution on the skip path does with the colours.
    private enum Kernel {
        case pass, average

        init?(_ path: String) {
            if path.hasSuffix("downsamplers.0.conv.weight") {
                self = .average
            } else if path.hasSuffix("conv_in.weight") || path.hasSuffix("conv_shortcut.weight")
                || path.hasSuffix("upsamplers.0.conv.weight") || path.hasSuffix("quant_conv.weight")
            {
                self = .pass
            } else {
                return nil
            }
        }
    }

    private func passing(_ weight: Tensor) -> Tensor {
        edit(weight) { output, input, y, x, value in
            guard colors.contains(output) else { return value }
            return input == output && y == weight.size(2) / 2 && x == weight.size(3) / 2 ? 1 : 0
        }
    }

    private func averaging(_ weight: Tensor) -> Tensor {
        edit(weight) { output, input, y, x, value in
            guard colors.contains(output) else { return value }
            return input == output && y < 2 && x < 2 ? 0.25 : 0
        }
    }

    /// The constant channels, and the norm and convolution that read the colours from among them.
    private func setEnd(_ half: String, lastShortcut: String, _ parameters: inout ParameterSet) {
        guard let shortcut = parameters.tensors[lastShortcut + ".weight"],
            let shortcutBias = parameters.tensors[lastShortcut + ".bias"],
            let normBias = parameters.tensors["\(half).conv_norm_out.bias"],
            let output = parameters.tensors["\(half).conv_out.weight"],
            let outputBias = parameters.tensors["\(half).conv_out.bias"]
        else { return }
        let groupSize = Double(shortcut.size(0) / configuration.normGroups)
        let spread = (groupSize / 2).squareRoot()
        let height = deviation * spread
        // SiLU is close to a line here: its slope, and what the constants come out as.
        let slope = (silu(lift + 0.5) - silu(lift - 0.5))
        let offset = silu(lift) - (silu(lift + spread) + silu(lift - spread)) / 2
        let reserved = colors.lowerBound...anchors.negative
        parameters.tensors[lastShortcut + ".weight"] = edit(shortcut) { channel, _, _, _, value in
            channel == anchors.positive || channel == anchors.negative ? 0 : value
        }
        parameters.tensors[lastShortcut + ".bias"] = edit(shortcutBias) { channel, value in
            switch channel {
            case anchors.positive: height
            case anchors.negative: -height
            case colors: 0
            default: value
            }
        }
        parameters.tensors["\(half).conv_norm_out.bias"] = edit(normBias) { channel, value in
            reserved.contains(channel) ? lift : value
        }
        parameters.tensors["\(half).conv_out.weight"] = edit(output) { channel, input, y, x, value in
            guard colors.contains(channel) else { return reserved.contains(input) ? 0 : value }
            guard y == 1 && x == 1 else { return 0 }
            if input == channel { return deviation / slope }
            return input == anchors.positive || input == anchors.negative ? -deviation / slope / 2 : 0
        }
        parameters.tensors["\(half).conv_out.bias"] = edit(outputBias) { channel, value in
            colors.contains(channel) ? -offset * deviation / slope : value
        }
    }

    private func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

    /// Little noise in the latents: at its random start the encoder's means are small beside unit noise.
    private func setNoise(_ parameters: inout ParameterSet) {
        guard let weight = parameters.tensors["quant_conv.weight"], let bias = parameters.tensors["quant_conv.bias"]
        else { return }
        let latents = configuration.latentChannels
        parameters.tensors["quant_conv.weight"] = edit(weight) { output, _, _, _, value in
            output < latents ? value : 0
        }
        parameters.tensors["quant_conv.bias"] = edit(bias) { channel, _ in channel < latents ? 0 : logVariance }
        for path in ["post_quant_conv.bias", "encoder.conv_in.bias", "decoder.conv_in.bias"] {
            guard let bias = parameters.tensors[path] else { continue }
            parameters.tensors[path] = edit(bias) { channel, value in colors.contains(channel) ? 0 : value }
        }
        for (path, bias) in parameters.tensors where path.hasSuffix("samplers.0.conv.bias") {
            parameters.tensors[path] = edit(bias) { channel, value in colors.contains(channel) ? 0 : value }
        }
    }

    /// `[output, input, y, x]` with each element replaced.
    private func edit(_ weight: Tensor, _ body: (Int, Int, Int, Int, Double) -> Double) -> Tensor {
        let (inputs, height, width) = (weight.size(1), weight.size(2), weight.size(3))
        let elements = weight.floats.enumerated().map { index, value in
            let (x, y) = (index % width, index / width % height)
            let (input, output) = (index / (width * height) % inputs, index / (width * height * inputs))
            return Float(body(output, input, y, x, Double(value)))
        }
        return Tensor(elements, shape: weight.shape)
    }

    private func edit(_ bias: Tensor, _ body: (Int, Double) -> Double) -> Tensor {
        Tensor(bias.floats.enumerated().map { Float(body($0, Double($1))) }, shape: bias.shape)
    }
}
