public import Layers
public import TensorCore
public import Weights

/// The generator of StyleGAN2 (Karras et al., arXiv 1912.04958): latents become styles, styles become a picture.
///
///     w = mapping(z)
///     x = const;  for each side 4, 8, 16, ...:  x = conv1(conv0(x, w), w),  picture = up(picture) + torgb(x, w)
///
/// Its weights have the names of the official state dictionary (`mapping.fc0.weight`, `synthesis.b4.conv1.affine.weight`),
/// its sizes are told by their shapes. Follows NVlabs/stylegan3 `networks_stylegan2.py`, architecture `skip`, in float32.
public struct StyleGAN2: Layer {
    public let configuration: StyleGAN2Configuration
    private var mapping: StyleGAN2Mapping
    private var constant: Tensor
    private var blocks: [StyleGAN2Block]
    private let site: Int

    public init(_ configuration: StyleGAN2Configuration, weights: ScopedWeights) throws {
        self.configuration = configuration
        mapping = try StyleGAN2Mapping(configuration, weights.scope("mapping"))
        let synthesis = weights.scope("synthesis")
        constant = try synthesis.scope("b4").tensor(
            "const", shape: [configuration.channels[0], 4, 4], initial: .normal(standardDeviation: 1))
        blocks = try configuration.channels.indices.map { index in
            try StyleGAN2Block(index, configuration, synthesis.scope("b\(4 << index)"))
        }
        site = synthesis.site
    }

    /// Reads a converted file.
    ///
    /// - Returns: the generator, and the keys that nothing used.
    /// - Throws: the errors of the file; `WeightsError` naming every tensor that is missing or has another shape.
    public static func load(path: String) throws -> (model: StyleGAN2, unusedKeys: [String]) {
        let file = try SafetensorsFile(path: path)
        let prefix = file.names.contains("G_ema.mapping.fc0.weight") ? "G_ema" : ""
        var shapes: [String: [Int]] = [:]
        for name in file.names {
            let own = prefix.isEmpty ? name : name.hasPrefix("G_ema.") ? String(name.dropFirst(6)) : nil
            if let own { shapes[own] = file.header[name]?.shape }
        }
        var configuration = try StyleGAN2Configuration(shapes: shapes, path: path)
        if let text = file.header.metadata["conv_clamp"], text != "None" {
            guard let clamp = Double(text), clamp > 0 else {
                throw WeightsError("\(path): conv_clamp", expected: "a positive number or None", found: text)
            }
            configuration.clamp = clamp
        }
        let source = DictionarySource(try file.tensors(), name: path)
        let (model, report) = try ScopedWeights.load(
            source, root: "", keyPrefix: prefix, ignoring: ["*.resample_filter"]
        ) { [configuration] in try StyleGAN2(configuration, weights: $0) }
        return (model.prepared(), report.unused)
    }

    /// The generator with the kernels of its upsampling layers turned, which every generator needs once its weights are
    /// known to be whole.
    public func prepared() -> StyleGAN2 {
        var copy = self
        for index in blocks.indices { copy.blocks[index].prepare() }
        return copy
    }

    /// The styles of latents.
    ///
    /// - Parameters:
    ///   - latents: `[batch, latentSize]`, normally distributed.
    ///   - labels: `[batch, labelSize]`, one-hot, for a generator of classes; nil for none.
    /// - Returns: `[batch, styleCount, styleSize]` (W+).
    public func styles(
        of latents: Tensor, labels: Tensor? = nil, truncation: StyleTruncation = StyleTruncation(),
        _ pass: Pass = Pass()
    ) -> Tensor {
        precondition(
            latents.rank == 2 && latents.size(1) == configuration.latentSize,
            "StyleGAN2: latents of shape \(latents.shape) where [batch, \(configuration.latentSize)] belong")
        return mapping(latents, labels: labels, truncation, pass)
    }

    /// The pictures of styles.
    ///
    /// - Parameters:
    ///   - styles: `[batch, styleCount, styleSize]`.
    ///   - offsets: of StyleSpace, for all pictures; see `check`.
    /// - Returns: `[batch, pictureChannels, resolution, resolution]`, mostly in -1...1.
    public func pictures(
        of styles: Tensor, offsets: [StyleOffset] = [], noise: StyleNoise = .constant, _ pass: Pass = Pass()
    ) -> Tensor {
        precondition(
            styles.rank == 3 && styles.size(1) == configuration.styleCount,
            "StyleGAN2: styles of shape \(styles.shape) where [batch, \(configuration.styleCount), ...] belong")
        let offsets = offsetRows(offsets)
        let seed: UInt64 = if case .random(let seed) = noise { seed } else { 0 }
        var random = TorchGenerator(seed: seed)
        var x = constant.unsqueezed(0).expanded(to: [styles.size(0)] + constant.shape)
        var picture: Tensor?
        for block in blocks {
            (x, picture) = block(x, picture, styles, offsets: offsets, noise: noise, random: &random, pass)
        }
        guard let picture else { preconditionFailure("StyleGAN2: no blocks") }
        return pass.visit(site, .output, picture)
    }

    // MARK: StyleSpace

    /// The convolutions that a style modulates, in their order, and the channels of each.
    public var styleLayers: [(name: String, channels: Int)] { blocks.flatMap(\.styleLayers) }

    /// The styles of all modulated convolutions by their names, `[batch, channels]` each.
    public func styleSpace(of styles: Tensor, _ pass: Pass = Pass()) -> [String: Tensor] {
        blocks.reduce(into: [:]) { result, block in
            for (name, value) in block.styleSpace(of: styles, pass) { result[name] = value }
        }
    }

    /// - Throws: `WeightsError` for a layer or channel that the generator has not.
    public func check(_ offset: StyleOffset) throws {
        let layers = styleLayers
        guard let layer = layers.first(where: { $0.name == offset.layer }) else {
            throw WeightsError(
                "channel \(offset.layer):\(offset.channel)",
                expected: "a layer among \(layers.map(\.name).joined(separator: ", "))", found: offset.layer)
        }
        guard (0..<layer.channels).contains(offset.channel) else {
            throw WeightsError(
                "channel \(offset.layer):\(offset.channel)", expected: "a channel from 0 to \(layer.channels - 1)",
                found: "\(offset.channel)")
        }
    }

    private func offsetRows(_ offsets: [StyleOffset]) -> [String: Tensor] {
        var rows: [String: [Float]] = [:]
        let widths = Dictionary(uniqueKeysWithValues: styleLayers.map { ($0.name, $0.channels) })
        for offset in offsets {
            guard let width = widths[offset.layer], (0..<width).contains(offset.channel) else {
                preconditionFailure("StyleGAN2: no channel \(offset.layer):\(offset.channel)")
            }
            rows[offset.layer, default: [Float](repeating: 0, count: width)][offset.channel] += Float(offset.amount)
        }
        return rows.mapValues { Tensor($0, shape: [1, $0.count]) }
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        mapping.mapParameters(transform)
        constant = transform(constant)
        blocks.mapParameters(transform)
    }
}

/// The layers of one side: two convolutions (one at 4x4), and colours.
private struct StyleGAN2Block: Layer {
    private var first: StyledLayer?
    private var second: StyledLayer
    private var colors: ColorLayer
    private var filter: Tensor?
    private let name: String
    /// The style of the first layer.
    private let firstStyle: Int

    init(_ index: Int, _ configuration: StyleGAN2Configuration, _ weights: ScopedWeights) throws {
        let (side, width) = (4 << index, configuration.channels[index])
        name = "b\(side)"
        firstStyle = max(2 * index - 1, 0)
        if index > 0 {
            first = try StyledLayer(
                configuration.channels[index - 1], width, resolution: side, upsamples: true, configuration,
                weights.scope("conv0"))
            filter = try weights.resampleFilter()
        }
        second = try StyledLayer(width, width, resolution: side, configuration, weights.scope("conv1"))
        colors = try ColorLayer(width, configuration, weights.scope("torgb"))
    }

    mutating func prepare() { first?.convolution.prepare() }

    /// The modulated convolutions with the numbers of their styles.
    private var modulated: [(name: String, convolution: ModulatedConvolution, style: Int)] {
        var layers: [(String, ModulatedConvolution, Int)] = []
        if let first { layers.append(("\(name).conv0", first.convolution, firstStyle)) }
        let next = firstStyle + layers.count
        layers.append(("\(name).conv1", second.convolution, next))
        layers.append(("\(name).torgb", colors.convolution, next + 1))
        return layers
    }

    var styleLayers: [(name: String, channels: Int)] { modulated.map { ($0.name, $0.convolution.inputs) } }

    func styleSpace(of styles: Tensor, _ pass: Pass) -> [(String, Tensor)] {
        modulated.map { ($0.name, $0.convolution.style(styles.selected(1, $0.style), offset: nil, pass)) }
    }

    func callAsFunction(
        _ x: Tensor, _ picture: Tensor?, _ styles: Tensor, offsets: [String: Tensor], noise: StyleNoise,
        random: inout TorchGenerator, _ pass: Pass
    ) -> (x: Tensor, picture: Tensor) {
        var x = x
        var style = firstStyle
        if let first {
            x = first(
                x, styles.selected(1, style), offset: offsets["\(name).conv0"], noise: noise, random: &random, pass)
            style += 1
        }
        x = second(x, styles.selected(1, style), offset: offsets["\(name).conv1"], noise: noise, random: &random, pass)
        let added = colors(x, styles.selected(1, style + 1), offset: offsets["\(name).torgb"], pass)
        guard let picture, let filter else { return (x, added) }
        return (x, upsampled(picture, by: filter) + added)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        first.mapParameters(transform)
        second.mapParameters(transform)
        colors.mapParameters(transform)
    }
}
