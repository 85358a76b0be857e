public import Layers
public import TensorCore
public import Weights
import World

/// A small convolutional network that reads the traits of a scene from a picture of it.
///
///     h = conv_in(x) at half the size; then for each width: h = blocks(h), h = down(silu(h))
///     features = silu(linear(flatten(conv_out(silu(norm(h))))))
///     answers = head(features), family = family_head(features)
public struct ProbeNetwork: Layer {
    public let configuration: ProbeConfiguration
    private var stem: Convolution
    /// Those of the largest size first, numbered through in the file.
    private var blocks: [ProbeBlock] = []
    private var downsamplers: [Convolution] = []
    private var norm: GroupNorm
    private var summary: Convolution
    private var linear: Linear
    private var head: Linear
    private var familyHead: Linear

    /// What a probe says about a batch of pictures.
    public struct Reading: Sendable {
        /// `[batch, answers]`: the outputs of all traits in their order, see `Trait.width`.
        public let answers: Tensor
        /// `[batch]`: the logit of "this picture is of my family".
        public let family: Tensor
        /// `[batch, features]`.
        public let features: Tensor
        /// `[batch, channels, height, width]` at each size, large to small: for perceptual distances.
        public let maps: [Tensor]
    }

    public init(_ configuration: ProbeConfiguration, weights: ScopedWeights) throws {
        self.configuration = configuration
        let channels = configuration.channels
        let groups = configuration.normGroups
        let halving = ConvolutionGeometry(stride: 2, padding: 1)
        stem = try Convolution(3, channels[0], kernel: 3, geometry: halving, weights.scope("conv_in"))
        for (size, count) in configuration.layers.enumerated() {
            if size > 0 {
                downsamplers.append(
                    try Convolution(
                        channels[size - 1], channels[size], kernel: 3, geometry: halving,
                        weights.scope("downsamplers", size - 1)))
            }
            for _ in 0..<count {
                blocks.append(try ProbeBlock(channels[size], groups: groups, weights.scope("blocks", blocks.count)))
            }
        }
        let last = channels[channels.count - 1]
        norm = try GroupNorm(last, groups: groups, weights.scope("norm"))
        summary = try Convolution(last, configuration.summaryChannels, kernel: 1, weights.scope("conv_out"))
        let side = configuration.imageSize >> channels.count
        linear = try Linear(
            configuration.summaryChannels * side * side, configuration.features, weights.scope("linear"))
        head = try Linear(
            configuration.features, configuration.traits.reduce(0) { $0 + $1.width }, weights.scope("head"))
        familyHead = try Linear(configuration.features, 1, weights.scope("family_head"))
    }

    /// - Parameter x: `[batch, 3, size, size]` in -1...1.
    public func callAsFunction(_ x: Tensor, _ pass: Pass = Pass()) -> Reading {
        var h = stem(x, pass)
        var maps: [Tensor] = []
        var left = blocks[...]
        for (size, count) in configuration.layers.enumerated() {
            if size > 0 { h = downsamplers[size - 1](silu(h), pass) }
            for block in left.prefix(count) { h = block(h, pass) }
            left = left.dropFirst(count)
            maps.append(h)
        }
        let activated = norm(h, then: .silu, rounded: summary.roundsInput(pass), pass)
        let summary = summary(activated, pass).contiguous()
        let features = silu(linear(summary.flattened(1...3), pass))
        return Reading(
            answers: head(features, pass), family: familyHead(features, pass).squeezed(1), features: features,
            maps: maps)
    }

    /// The directions of the features that the answers of one trait are read along.
    ///
    /// - Parameter place: of the trait in `configuration.traits`.
    /// - Returns: `[trait.width, features]`.
    public func directions(of place: Int) -> Tensor {
        let traits = configuration.traits
        let start = traits.prefix(place).reduce(0) { $0 + $1.width }
        return head.weight.narrowed(0, start: start, count: traits[place].width)
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        stem.mapParameters(transform)
        blocks.mapParameters(transform)
        downsamplers.mapParameters(transform)
        norm.mapParameters(transform)
        summary.mapParameters(transform)
        linear.mapParameters(transform)
        head.mapParameters(transform)
        familyHead.mapParameters(transform)
    }
}

/// `y = x + conv2(silu(norm2(conv1(silu(norm1(x))))))`
private struct ProbeBlock: Layer {
    private var norm1: GroupNorm
    private var conv1: Convolution
    private var norm2: GroupNorm
    private var conv2: Convolution

    init(_ channels: Int, groups: Int, _ weights: ScopedWeights) throws {
        norm1 = try GroupNorm(channels, groups: groups, weights.scope("norm1"))
        conv1 = try Convolution(channels, channels, kernel: 3, weights.scope("conv1"))
        norm2 = try GroupNorm(channels, groups: groups, weights.scope("norm2"))
        conv2 = try Convolution(channels, channels, kernel: 3, weights.scope("conv2"))
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let h = conv1(norm1(x, then: .silu, rounded: conv1.roundsInput(pass), pass), pass)
        return x + conv2(norm2(h, then: .silu, rounded: conv2.roundsInput(pass), pass), pass)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        norm1.mapParameters(transform)
        conv1.mapParameters(transform)
        norm2.mapParameters(transform)
        conv2.mapParameters(transform)
    }
}
