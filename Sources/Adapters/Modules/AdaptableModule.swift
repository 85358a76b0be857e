/// A linear layer or convolution of a model, as adapters know it.
public struct AdaptableModule: Sendable, Hashable {
    /// The part of the model: `unet`, `text_encoder`, `text_encoder_2`.
    public let part: String
    /// The path inside the part, `mid_block.attentions.0.transformer_blocks.0.attn1.to_q`.
    public let name: String
    /// The shape of the weight: `[outputs, inputs]`, or `[outputs, inputs, kernel, kernel]`.
    public let shape: [Int]
    /// The latent-diffusion code's name of the module, `middle_block.1.transformer_blocks.0.attn1.to_q`, where it has
    /// another one.
    public let alias: String?

    public init(part: String, name: String, shape: [Int], alias: String? = nil) {
        self.part = part
        self.name = name
        self.shape = shape
        self.alias = alias
    }

    /// A text encoder's name without `text_model.`, as transformers 5 has it; nil for other parts.
    var bareName: String? { part.hasPrefix("text_encoder") ? name.dropping(prefix: "text_model.") : nil }

    /// The path of the layer, which is its site, too.
    public var path: String { "\(part).\(name)" }
    public var outputs: Int { shape[0] }
    public var inputs: Int { shape[1] }
    public var isConvolution: Bool { shape.count == 4 }
    /// Height and width of a convolution's kernel; none for a linear layer.
    public var kernel: [Int] { Array(shape.dropFirst(2)) }
    /// The numbers that make one output: `inputs` times the places of the kernel.
    public var fanIn: Int { shape.dropFirst().reduce(1, *) }
}
