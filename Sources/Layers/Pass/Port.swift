/// Which value of a layer a site means. A site is a path and a port.
public enum Port: String, Sendable, Hashable, CaseIterable {
    case input, output
    /// Projected queries, keys and values: `[batch, tokens, heads, headDimension]`.
    case queries, keys, values
    /// Attention scores before the softmax, scaled and masked: `[batch, heads, queryTokens, keyTokens]`.
    case scores
    /// Attention probabilities: `[batch, heads, queryTokens, keyTokens]`.
    case pattern
    /// What each head read, before the output projection: `[batch, tokens, heads, headDimension]`.
    case heads
}
