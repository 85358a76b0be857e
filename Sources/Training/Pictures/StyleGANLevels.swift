public import DiffusionModels
import Generation
public import Imaging
public import TensorCore

/// Pictures of a StyleGAN2 generator that differ in one channel of StyleSpace, or along one direction of its styles.
public struct StyleGANLevels: Sendable {
    /// What is moved.
    public enum Change: Sendable {
        /// One channel of the style of one convolution; its unit is the channel's own deviation over styles.
        case channel(layer: String, channel: Int)
        /// A direction of styles, `[1, styleCount, styleSize]` or `[1, 1, styleSize]`.
        case direction(Tensor)
    }

    private let model: StyleGAN2
    private let change: Change
    private let amounts: [Double]
    private let truncation: StyleTruncation
    private let noise: Noise
    private let seed: UInt64
    private let label: Tensor?

    /// How noise is chosen; `random` is the same for all levels of a picture.
    public enum Noise: String, Sendable, CaseIterable { case constant, none, random }

    /// - Parameters:
    ///   - amounts: of the change, in the order of levels.
    ///   - seed: of the first picture; picture i has `seed + i`.
    ///   - label: the class, for a generator of classes.
    /// - Throws: `WeightsError` or `GenerationError` for what the generator has not.
    public init(
        _ model: StyleGAN2, _ change: Change, amounts: [Double], truncation: StyleTruncation, noise: Noise,
        seed: UInt64, label: Int? = nil
    ) throws {
        let sizes = model.configuration
        guard sizes.pictureChannels == 3 else {
            throw GenerationError(
                "generator", expected: "pictures of 3 channels", found: "\(sizes.pictureChannels)")
        }
        if let label {
            guard (0..<sizes.labelSize).contains(label) else {
                throw GenerationError(
                    "class",
                    expected: sizes.labelSize == 0
                        ? "none for a generator without classes" : "0 to \(sizes.labelSize - 1)",
                    found: "\(label)")
            }
            self.label = Tensor(
                (0..<sizes.labelSize).map { $0 == label ? 1 : 0 as Float }, shape: [1, sizes.labelSize])
        } else {
            self.label = nil
        }
        var amounts = amounts
        switch change {
        case .channel(let layer, let channel):
            try model.check(StyleOffset(layer: layer, channel: channel, amount: 0))
            var random = TorchGenerator(seed: 0)
            let latents = random.normal([512, sizes.latentSize])
            let labels = self.label?.expanded(to: [512, sizes.labelSize])
            let styles = model.styles(of: latents, labels: labels, truncation: truncation)
            let values = model.styleSpace(of: styles)[layer]?.narrowed(1, start: channel, count: 1)
            let deviation = values.map { Double(sqrt(variance($0, axes: [0])).item) } ?? 1
            amounts = amounts.map { $0 * deviation }
        case .direction(let direction):
            let shape = direction.shape
            guard shape.count == 3, shape[0] == 1, [1, sizes.styleCount].contains(shape[1]), shape[2] == sizes.styleSize
            else {
                throw GenerationError(
                    "direction", expected: "[\(sizes.styleSize)] or [\(sizes.styleCount), \(sizes.styleSize)]",
                    found: "\(Array(shape.dropFirst()))")
            }
        }
        (self.model, self.change, self.amounts) = (model, change, amounts)
        (self.truncation, self.noise, self.seed) = (truncation, noise, seed)
    }

    /// The pictures of one latent, in the order of levels.
    public func pictures(_ index: Int) -> [Image] {
        let own = seed &+ UInt64(index)
        var random = TorchGenerator(seed: own)
        let latents = random.normal([1, model.configuration.latentSize])
        let styles = model.styles(of: latents, labels: label, truncation: truncation)
        let noise: StyleNoise =
            switch self.noise {
            case .constant: .constant
            case .none: .none
            case .random: .random(seed: own)
            }
        return amounts.map { amount in
            switch change {
            case .channel(let layer, let channel):
                let offset = StyleOffset(layer: layer, channel: channel, amount: amount)
                return model.pictures(of: styles, offsets: [offset], noise: noise).images()[0]
            case .direction(let direction):
                return model.pictures(of: styles + amount * direction, noise: noise).images()[0]
            }
        }
    }
}
