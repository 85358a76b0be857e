public import TensorCore

/// What one layer keeps of the tokens so far.
public enum LayerState: Sendable {
    /// Nothing yet.
    case empty
    /// Attention's: `[batch, tokens, keyHeads, headDimension]` each; keys are turned to their positions already.
    case attention(keys: GrowingTensor, values: GrowingTensor)
    /// A state-space mixer's: the last inputs of its convolution, `[batch, kernel - 1, channels]`, and the states,
    /// `[batch, channels, states]`.
    case recurrent(window: Tensor, states: Tensor)
}

/// What a language model keeps of the tokens so far, so that the next ones cost no more than themselves.
///
/// It is a value: a call takes one and gives another, and the old one can be gone on from again.
public struct DecodingState: Sendable {
    /// One for each layer; none before the first call.
    public internal(set) var layers: [LayerState] = []
    /// Tokens of each row, padding included.
    public internal(set) var length = 0
    /// How many tokens at the left of each row are padding.
    public internal(set) var padding: [Int] = []

    public init() {}
}
