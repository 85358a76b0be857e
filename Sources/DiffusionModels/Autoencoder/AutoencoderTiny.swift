public import Layers
public import TensorCore
public import Weights

/// The decoder of the tiny autoencoder (TAESD): latents to pictures in a small part of the time, a little coarser.
///
/// It takes latents as the diffusion model has them, not unscaled. Its shape is told by the weights, which may have
/// diffusers' names (`decoder.layers.0.weight`) or the original's (`1.weight`, whose sequence begins with the clamp).
/// Follows diffusers `autoencoder_tiny.py` and `vae.py`, DecoderTiny.
public struct AutoencoderTiny: Layer {
    public let latentChannels: Int
    /// Picture pixels for each latent in both directions.
    public let upsamplingFactor: Int
    private var stages: [Stage]
    private let site: Int

    private enum Stage: Sendable {
        case convolution(Convolution)
        case block(AutoencoderTinyBlock)
        /// Doubles height and width by repeating pixels.
        case upsampling
    }

    /// - Parameter shapes: of everything that the source of `weights` holds, from which the layers are told.
    /// - Throws: `WeightsError` when they are no tiny autoencoder's.
    public init(shapes: [String: [Int]], weights: ScopedWeights) throws {
        func holds(_ key: String) -> Bool { shapes[key] != nil }
        let spellings = [("decoder.layers.", 0), ("decoder.", 1), ("", 1)]
        guard
            let (prefix, first) = spellings.first(where: { prefix, first in holds("\(prefix)\(first).bias") }),
            let input = shapes["\(prefix)\(first).weight"], input.count == 4
        else {
            throw WeightsError(
                weights.path, expected: "a tiny autoencoder's decoder (decoder.layers.0.weight or 1.weight)",
                found: shapes.keys.min().map { "\(shapes.count) tensors such as \($0)" } ?? "no tensors")
        }
        let numbers = Set(
            shapes.keys.compactMap { key in
                key.hasPrefix(prefix) ? Int(key.dropFirst(prefix.count).prefix { $0 != "." }) : nil
            })
        let count = (numbers.max() ?? 0) - first
        guard (1...256).contains(count) else {
            throw WeightsError(weights.path, expected: "2 to 257 layers", found: "\(count + 1)")
        }
        let decoder = weights.scope("decoder", storedAs: "")
        var width = input[1]
        var factor = 1
        latentChannels = width
        stages = []
        for index in 0...count {
            let stored = "\(prefix)\(index + first)"
            let scope = decoder.scope("layers.\(index)", storedAs: stored)
            if let shape = shapes[stored + ".weight"] {
                guard shape.count == 4 else {
                    throw WeightsError(scope.path, expected: "a convolution's kernel", found: "\(shape)")
                }
                let convolution = try Convolution(
                    width, shape[0], kernel: 3, hasBias: holds(stored + ".bias"), scope)
                stages.append(.convolution(convolution))
                width = shape[0]
            } else if let shape = shapes[stored + ".conv.0.weight"] {
                guard shape.count == 4 else {
                    throw WeightsError(scope.path, expected: "a convolution's kernel", found: "\(shape)")
                }
                stages.append(.block(try AutoencoderTinyBlock(width, shape[0], scope)))
                width = shape[0]
            } else if index != 1 {
                // What has no weights is the activation after the first convolution, or a doubling.
                stages.append(.upsampling)
                factor *= 2
            }
        }
        guard width == 3, factor <= 64 else {
            throw WeightsError(
                decoder.path, expected: "pictures of 3 channels, at most 64 times as large",
                found: "\(width) channels, \(factor) times")
        }
        upsamplingFactor = factor
        site = decoder.site
    }

    /// - Parameter latents: `[batch, latentChannels, height, width]`, of the diffusion model's scale.
    /// - Returns: pictures in -1...1, `[batch, 3, height * factor, width * factor]`.
    public func decode(_ latents: Tensor, _ pass: Pass) -> Tensor {
        var h = tanh(latents / 3) * 3
        for (index, stage) in stages.enumerated() {
            switch stage {
            case .convolution(let convolution):
                h = convolution(h, pass)
                if index == 0 { h = relu(h) }
            case .block(let block): h = block(h, pass)
            case .upsampling: h = resample(h, .nearest(factor: 2))
            }
        }
        return pass.visit(site, .output, h * 2 - 1)
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        stages = stages.map { stage in
            switch stage {
            case .convolution(var convolution):
                convolution.mapParameters(transform)
                return .convolution(convolution)
            case .block(var block):
                block.mapParameters(transform)
                return .block(block)
            case .upsampling: return .upsampling
            }
        }
    }
}

/// Three convolutions beside a residual:
///
///     y = relu(conv4(relu(conv2(relu(conv0(x))))) + skip(x))
private struct AutoencoderTinyBlock: Layer {
    private var convolutions: [Convolution]
    private var skip: Convolution?
    private let site: Int

    init(_ inputs: Int, _ outputs: Int, _ weights: ScopedWeights) throws {
        convolutions = try [0, 2, 4].map { index in
            try Convolution(index == 0 ? inputs : outputs, outputs, kernel: 3, weights.scope("conv", index))
        }
        if inputs != outputs {
            skip = try Convolution(inputs, outputs, kernel: 1, hasBias: false, weights.scope("skip"))
        }
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        var h = x
        for (index, convolution) in convolutions.enumerated() {
            h = convolution(h, pass)
            if index < 2 { h = relu(h) }
        }
        return pass.visit(site, .output, relu(h + (skip?(x, pass) ?? x)))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        convolutions.mapParameters(transform)
        skip.mapParameters(transform)
    }
}
