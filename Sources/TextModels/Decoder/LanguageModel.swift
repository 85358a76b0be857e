public import Layers
public import TensorCore

/// The tokens whose logits a call computes; for a large vocabulary they cost more than a layer.
public enum LogitSelection: Sendable, Hashable {
    case all
    /// The last token of each row, the one from which the next is drawn.
    case last
}

/// What a language model gives for a batch.
public struct LanguageModelOutput: Sendable {
    /// `[batch, tokens or 1, vocabulary]`: for each token, what comes next. Empty where the pass's plan ended early.
    public let logits: Tensor
    /// After the final norm: `[batch, tokens, hidden]`.
    public let hiddenState: Tensor
    /// For the tokens that follow; nil when the call was told to keep nothing.
    public let state: DecodingState?
}

extension LanguageModelOutput {
    /// What is left of a call whose plan ended before the head: no logits, and no state to go on from.
    static func unfinished(_ h: Tensor) -> Self { Self(logits: Tensor.zeros([0]), hiddenState: h, state: nil) }
}

/// A model that reads tokens from left to right and says of each what comes next.
public protocol LanguageModel: Layer {
    var vocabularySize: Int { get }
    /// The most tokens that the model has positions for; nil without a limit.
    var maximumTokens: Int? { get }

    /// - Parameters:
    ///   - tokens: what follows; padding is for the first call only.
    ///   - state: what an earlier call gave, an empty one to begin with, or nil to keep nothing. Gradients need nil.
    func callAsFunction(
        _ tokens: TokenBatch, after state: DecodingState?, logits: LogitSelection, _ pass: Pass
    ) -> LanguageModelOutput

    /// What the model says of residuals as if they came from its last layer: the final norm, then the head.
    ///
    /// - Parameter residual: `[..., hidden]`.
    /// - Returns: logits, `[..., vocabulary]`.
    func unembedded(_ residual: Tensor, _ pass: Pass) -> Tensor
}

extension LanguageModel {
    /// All logits of a batch on its own.
    public func callAsFunction(_ tokens: TokenBatch, _ pass: Pass = Pass()) -> LanguageModelOutput {
        self(tokens, after: nil, logits: .all, pass)
    }
}

/// One layer of a language model.
protocol DecoderLayer: Layer {
    /// - Parameter state: nil to keep nothing.
    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor
}

extension Array where Element: DecoderLayer {
    /// Runs the layers in turn, as checkpoints where the pass says so and nothing is kept; up to the one in which the
    /// pass's plan ends.
    func run(
        _ x: Tensor, _ context: DecoderContext, after state: DecodingState?, _ pass: Pass
    ) -> (Tensor, DecodingState?) {
        guard var next = state else {
            var h = x
            for layer in self {
                if pass.isFinished { break }
                h = layer.checkpointed([h], pass) { layer, inputs, pass in
                    var none: LayerState?
                    return layer(inputs[0], context, &none, pass)
                }
            }
            return (h, nil)
        }
        var h = x
        if next.layers.isEmpty { next.layers = [LayerState](repeating: .empty, count: count) }
        for index in indices {
            if pass.isFinished { break }
            var kept: LayerState? = next.layers[index]
            next.layers[index] = .empty
            h = self[index](h, context, &kept, pass)
            next.layers[index] = kept ?? .empty
        }
        next.length += context.count
        next.padding = context.padding
        return (h, next)
    }
}

extension Tensor {
    /// The tokens of `[batch, tokens, ...]` whose logits are asked for.
    func selecting(_ logits: LogitSelection) -> Tensor {
        logits == .all ? self : narrowed(1, start: size(1) - 1, count: 1)
    }
}
