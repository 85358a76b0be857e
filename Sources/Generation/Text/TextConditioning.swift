public import TensorCore

/// What a UNet reads of a text.
public struct TextConditioning: Sendable {
    /// `[1, tokens, width]`.
    public var context: Tensor
    /// `[1, width]`: the whole text in one row, for models that take one (SDXL).
    public var pooled: Tensor?

    public init(context: Tensor, pooled: Tensor? = nil) {
        self.context = context
        self.pooled = pooled
    }

    /// All zeros: what SDXL was trained to read as no text.
    var zeroed: TextConditioning {
        TextConditioning(context: .zeros(context.shape), pooled: pooled.map { .zeros($0.shape) })
    }
}
