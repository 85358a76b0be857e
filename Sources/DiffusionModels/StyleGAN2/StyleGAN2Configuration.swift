import Weights

/// The sizes of a StyleGAN2 generator, told by the shapes of its weights.
public struct StyleGAN2Configuration: Sendable, Hashable {
    /// `z_dim`
    public let latentSize: Int
    /// `c_dim`: 0 for a generator that knows no classes.
    public let labelSize: Int
    /// What the label becomes before it meets the latents.
    public let labelFeatures: Int
    /// `w_dim`
    public let styleSize: Int
    /// The outputs of each layer of the mapping network.
    public let mappingWidths: [Int]
    /// Of the picture, a power of two.
    public let resolution: Int
    /// Feature channels at 4, 8, 16, ... pixels.
    public let channels: [Int]
    /// `img_channels`
    public let pictureChannels: Int
    /// `conv_clamp`: the largest absolute value of a feature; nil for no limit. Not told by shapes.
    public var clamp: Double?

    /// The sides of the blocks: 4, 8, 16, ...
    public var resolutions: [Int] { channels.indices.map { 4 << $0 } }

    /// How many styles a picture has (`num_ws`): one for each convolution, and one for the last colours.
    public var styleCount: Int { 2 * channels.count }

    /// - Parameters:
    ///   - shapes: of the tensors, by the names of the official state dictionary.
    ///   - path: of the file, for messages.
    /// - Throws: `WeightsError` when they are no StyleGAN2 generator's.
    public init(shapes: [String: [Int]], path: String) throws {
        func shape(_ name: String, rank: Int) throws -> [Int] {
            guard let shape = shapes[name], shape.count == rank, shape.allSatisfy({ (1...16384).contains($0) }) else {
                throw WeightsError(
                    "\(path): \(name)",
                    expected: "a tensor of \(rank) dimensions, as the generator (G_ema) of StyleGAN2 has one",
                    found: shapes[name].map { "\($0)" }
                        ?? "no such tensor among \(shapes.count)"
                        + (shapes.keys.min().map { " such as \($0)" } ?? ""))
            }
            return shape
        }
        let sides = shapes.keys.compactMap { key -> Int? in
            guard key.hasPrefix("synthesis.b") else { return nil }
            return Int(key.dropFirst("synthesis.b".count).prefix { $0 != "." })
        }
        let largest = sides.max() ?? 4
        guard largest >= 4, largest <= 4096, largest & (largest - 1) == 0 else {
            throw WeightsError(
                "\(path): synthesis.b\(largest)", expected: "blocks for powers of two from 4 to 4096",
                found: "\(largest)")
        }
        if let other = shapes.keys.filter({ $0.hasSuffix(".skip.weight") }).min() {
            throw WeightsError(
                "\(path): \(other)", expected: "the architecture `skip`, which adds up colours", found: "`resnet`")
        }
        resolution = largest
        channels = try sequence(first: 4) { $0 < largest ? 2 * $0 : nil }.map {
            try shape("synthesis.b\($0).conv1.weight", rank: 4)[0]
        }
        styleSize = try shape("synthesis.b4.conv1.affine.weight", rank: 2)[1]
        pictureChannels = try shape("synthesis.b\(largest).torgb.weight", rank: 4)[0]
        let first = try shape("mapping.fc0.weight", rank: 2)
        var widths = [first[0]]
        while shapes["mapping.fc\(widths.count).weight"] != nil {
            widths.append(try shape("mapping.fc\(widths.count).weight", rank: 2)[0])
        }
        mappingWidths = widths
        guard widths[widths.count - 1] == styleSize else {
            throw WeightsError(
                "\(path): mapping.fc\(widths.count - 1).weight", expected: "\(styleSize) outputs, the size of a style",
                found: "\(widths[widths.count - 1])")
        }
        let label = shapes["mapping.embed.weight"] == nil ? [0, 0] : try shape("mapping.embed.weight", rank: 2)
        (labelFeatures, labelSize) = (label[0], label[1])
        latentSize = first[1] - labelFeatures
        guard latentSize >= 1 else {
            throw WeightsError(
                "\(path): mapping.fc0.weight", expected: "more inputs than the label's \(labelFeatures)",
                found: "\(first[1])")
        }
    }
}
