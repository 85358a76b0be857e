import Layers
import TensorCore
import Weights

/// From latents to styles: `w = fc(... fc(z / |z|))`, the same for every layer until truncation.
///
/// Follows StyleGAN2's `MappingNetwork`.
struct StyleGAN2Mapping: Layer {
    private var embedding: EqualizedLinear?
    private var layers: [EqualizedLinear]
    /// The mean style, `[w_dim]`, that truncation goes towards.
    private(set) var average: Tensor
    private let styleCount: Int
    private let site: Int

    init(_ configuration: StyleGAN2Configuration, _ weights: ScopedWeights) throws {
        if configuration.labelSize > 0 {
            embedding = try EqualizedLinear(
                configuration.labelSize, configuration.labelFeatures, weights.scope("embed"))
        }
        var width = configuration.latentSize + configuration.labelFeatures
        var layers: [EqualizedLinear] = []
        for (index, outputs) in configuration.mappingWidths.enumerated() {
            layers.append(try EqualizedLinear(width, outputs, rate: 0.01, weights.scope("fc\(index)")))
            width = outputs
        }
        self.layers = layers
        average = try weights.tensor("w_avg", shape: [configuration.styleSize], initial: .zeros)
        styleCount = configuration.styleCount
        site = weights.site
    }

    /// - Parameters:
    ///   - latents: `[batch, latentSize]`.
    ///   - labels: `[batch, labelSize]`, one-hot; nil for zeros.
    ///   - truncation: how far styles go back to the mean, and in how many layers.
    /// - Returns: `[batch, styleCount, styleSize]`.
    func callAsFunction(_ latents: Tensor, labels: Tensor?, _ truncation: StyleTruncation, _ pass: Pass) -> Tensor {
        var x = normalizedSecondMoment(latents)
        if let embedding {
            let labels = labels ?? .zeros([latents.size(0), embedding.parameters[0].size(1)])
            x = concatenated([x, normalizedSecondMoment(embedding(labels, pass))], axis: 1)
        }
        for layer in layers { x = leakyRectified(layer(x, pass)) }
        let styles = x.unsqueezed(1).expanded(to: [x.size(0), styleCount, x.size(1)])
        return pass.visit(site, .output, truncated(styles, truncation))
    }

    /// `mean + psi · (w - mean)` in the first layers.
    func truncated(_ styles: Tensor, _ truncation: StyleTruncation) -> Tensor {
        guard truncation.psi != 1 else { return styles }
        let layers = min(truncation.layers ?? styleCount, styleCount)
        let moved = average + truncation.psi * (styles.narrowed(1, start: 0, count: layers) - average)
        guard layers < styleCount else { return moved }
        return concatenated([moved, styles.narrowed(1, start: layers, count: styleCount - layers)], axis: 1)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        embedding.mapParameters(transform)
        layers.mapParameters(transform)
        average = transform(average)
    }
}

/// How far styles go back to the mean one: less varied pictures, and better ones.
public struct StyleTruncation: Sendable, Hashable {
    /// 1 leaves styles as they are, 0 makes all of them the mean.
    public var psi: Double
    /// The layers that it is done in, from the first; nil for all.
    public var layers: Int?

    public init(psi: Double = 1, layers: Int? = nil) {
        self.psi = psi
        self.layers = layers
    }
}
