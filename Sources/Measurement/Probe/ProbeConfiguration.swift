public import Layers
public import World

/// The shape of a probe, as its `config.json` states it.
public struct ProbeConfiguration: ModelConfiguration {
    public var family: SceneFamily
    /// Width and height of the pictures that it reads, in pixels.
    public var imageSize: Int
    /// Channels after each halving of the picture.
    public var channels: [Int]
    /// Residual blocks at each of these sizes; nil for none at the first and one at each other.
    public var layersPerBlock: [Int]?
    public var normGroups: Int
    /// Channels of the last map before it is read as one vector.
    public var summaryChannels: Int
    /// Width of the feature vector behind every answer.
    public var features: Int

    public init(
        family: SceneFamily, imageSize: Int = 128, channels: [Int] = [32, 64, 128, 160],
        layersPerBlock: [Int]? = nil, normGroups: Int = 8, summaryChannels: Int = 32, features: Int = 64
    ) {
        self.family = family
        self.imageSize = imageSize
        self.channels = channels
        self.layersPerBlock = layersPerBlock
        self.normGroups = normGroups
        self.summaryChannels = summaryChannels
        self.features = features
    }

    enum CodingKeys: String, CodingKey {
        case family, channels, features
        case imageSize = "image_size"
        case layersPerBlock = "layers_per_block"
        case normGroups = "norm_num_groups"
        case summaryChannels = "summary_channels"
    }

    /// Residual blocks at each size, the largest first.
    var layers: [Int] { layersPerBlock ?? channels.indices.map { min($0, 1) } }

    public var traits: [Trait] { Scene.traits(of: family) }

    public func validate() throws {
        func require(_ condition: Bool, _ key: CodingKeys, _ expected: String, _ found: Any) throws {
            guard condition else {
                throw ConfigurationError(key: key.stringValue, expected: expected, found: "\(found)")
            }
        }
        try require((1...6).contains(channels.count), .channels, "1 to 6 widths", channels)
        try require((1...256).contains(normGroups), .normGroups, "1 to 256", normGroups)
        try require(
            channels.allSatisfy { (1...1024).contains($0) && $0 % normGroups == 0 }, .channels,
            "multiples of norm_num_groups (\(normGroups)) up to 1024", channels)
        try require(
            layers.count == channels.count && layers.allSatisfy { (0...8).contains($0) }, .layersPerBlock,
            "one number of 0 to 8 for each of channels (\(channels.count))", layers)
        let factor = 1 << channels.count
        try require(
            (factor...1024).contains(imageSize) && imageSize % factor == 0, .imageSize, "a multiple of \(factor)",
            imageSize)
        try require((1...512).contains(summaryChannels), .summaryChannels, "1 to 512", summaryChannels)
        try require((1...1024).contains(features), .features, "1 to 1024", features)
    }
}
