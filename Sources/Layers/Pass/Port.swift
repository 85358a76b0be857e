/// Which value of a layer a site means. A site is a path and a port.
public enum Port: String, Sendable, Hashable, CaseIterable {
    /// What a layer is called with, before anything reads it, and what it gives. Of attention the input is what queries are
    /// made of, and keys and values, too, unless they come from a context.
    case input, output
    /// Of a layer with two parts, one after the other: the residual stream between them, which the second part reads and
    /// is added to.
    case middle
    /// Projected queries, keys and values: `[batch, tokens, heads, headDimension]`.
    case queries, keys, values
    /// Attention scores before the softmax, scaled and masked: `[batch, heads, queryTokens, keyTokens]`.
    case scores
    /// Attention probabilities: `[batch, heads, queryTokens, keyTokens]`.
    case pattern
    /// What each head read, before the output projection: `[batch, tokens, heads, headDimension]`.
    case heads

    // Of a state-space mixer, in the order of the computation; all but `state` are `[batch, tokens, channels]`.

    /// The half of the input projection that goes through the recurrence.
    case branch
    /// The other half, before its activation.
    case gateInput
    /// What is written into the states at each token: positive, the length of the token's step.
    case timeStep
    /// How a token enters the states and is read from them: `[batch, tokens, states]`.
    case inputMatrix, outputMatrix
    /// The states after each token: `[batch, tokens, channels, states]`. A replacement changes what is read at its token,
    /// not the states that follow.
    case state
    /// What the recurrence gives, with the direct path of its input.
    case scan
    /// The factor of `scan`.
    case gate
}
