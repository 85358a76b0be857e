/// One number of StyleSpace (Wu et al., arXiv 2011.12799): a channel of the style that modulates one convolution, and how far
/// it is moved. Single channels often change a single thing of the picture.
public struct StyleOffset: Sendable, Hashable {
    /// The convolution: `b8.conv0`, `b64.torgb`.
    public var layer: String
    public var channel: Int
    /// What is added to the style.
    public var amount: Double

    public init(layer: String, channel: Int, amount: Double) {
        self.layer = layer
        self.channel = channel
        self.amount = amount
    }
}

/// What the noise of a layer is.
public enum StyleNoise: Sendable, Hashable {
    case none
    /// The maps that the generator was trained with: one picture for one style.
    case constant
    /// Drawn for each picture.
    case random(seed: UInt64)
}
